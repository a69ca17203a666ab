// What the models say: answers side by side, and the positions of the text where they differ most.
#include <fmt/format.h>

#include <algorithm>

#include "report/sections.h"

namespace lowbit::report {
namespace {

constexpr size_t kMostWorst = 20;
constexpr size_t kMostTop = 10;

std::string top_list(std::string_view title, const Json& tokens, std::string_view style, const std::string& next) {
  std::string rows;
  size_t count = 0;
  for (const Json& item : tokens) {
    const auto p = number(item, "p");
    if (!p || count++ == kMostTop) continue;
    const std::string token = words(item, "token");
    rows += fmt::format(
        "<div class=\"row{}\"><span>{}</span><span class=\"track\"><i class=\"{}\" "
        "style=\"width:{:.1f}%\"></i></span>"
        "<b>{}</b></div>\n",
        !next.empty() && token == next ? " next" : "", visible(token), style, 100.0 * std::clamp(*p, 0.0, 1.0),
        percent(*p, *p < 0.0995 ? 1 : 0));
  }
  return rows.empty() ? "" : fmt::format("<div class=\"top\"><h4>{}</h4>\n{}</div>\n", title, rows);
}

std::string worst_item(const Json& item) {
  const auto kl = number(item, "kl");
  const std::string context = words(item, "context");
  if (!kl && context.empty()) return {};
  const std::string next = words(item, "next");
  std::string head;
  if (kl) head += fmt::format("<b>KL {}</b> ", figure(*kl));
  if (const auto position = number(item, "position")) head += fmt::format("token {}", grouped(*position));
  if (const auto chunk = number(item, "chunk")) head += fmt::format(", chunk {}", grouped(*chunk));
  std::string quote = escape(context);
  if (!next.empty()) quote += fmt::format("<mark>{}</mark>", escape(next));
  return fmt::format(
      "<div class=\"panel worst\"><p class=\"small\">{}</p>\n<blockquote>{}</blockquote>\n"
      "<div class=\"tops\">{}{}</div></div>\n",
      head, quote, top_list("before", items(item, "base_top"), "base", next),
      top_list("after", items(item, "top"), "low", next));
}

}  // namespace

std::string answers_section(const Json& results) {
  const Json& answers = member(results, "answers");
  const std::string prompt = words(answers, "prompt");
  std::string columns;
  for (const auto& [field, title] : {std::pair{"before", "Before"}, std::pair{"after", "After"}}) {
    const std::string text = words(answers, field);
    if (text.empty()) continue;
    columns += fmt::format("<div class=\"panel {}\"><h3>{}</h3><p class=\"said\">{}</p></div>\n", field, title,
                           escape(text));
  }
  if (columns.empty()) return {};
  const std::string asked = prompt.empty() ? "" : fmt::format("<p class=\"prompt\">{}</p>\n", escape(prompt));
  return section("answers", "The same prompt, answered by both", "",
                 asked + "<div class=\"columns\">" + columns + "</div>");
}

std::string worst_section(const Json& results) {
  std::string body;
  size_t shown = 0;
  for (const Json& item : items(results, "worst")) {
    if (shown == kMostWorst) break;
    const std::string one = worst_item(item);
    shown += !one.empty();
    body += one;
  }
  return section(
      "worst", "Where the models differ most",
      "The positions of the text with the largest divergence; marked is the token that follows in the text.",
      body.empty() ? "" : "<div class=\"columns\">" + body + "</div>");
}

}  // namespace lowbit::report

// What stands on top of the page: the headline, the command and the figures in short.
#include <fmt/format.h>

#include <algorithm>

#include "report/sections.h"

namespace lowbit::report {
namespace {

struct Bar {
  std::string name, value;
  double length;
  const char* style;  // base or low
};

// A figure with two bars that compare; lengths are relative to the longest.
std::string card(std::string_view title, std::string_view big, std::string_view small, const std::vector<Bar>& bars) {
  double longest = 0.0;
  for (const Bar& bar : bars) longest = std::max(longest, bar.length);
  std::string rows;
  for (const Bar& bar : bars) {
    const double share = longest > 0.0 ? std::clamp(bar.length / longest, 0.0, 1.0) : 0.0;
    rows += fmt::format(
        "<div class=\"row\"><span>{}</span><span class=\"track\"><i class=\"{}\" style=\"width:{:.1f}%\"></i></span>"
        "<b>{}</b></div>\n",
        bar.name, bar.style, 100.0 * share, bar.value);
  }
  return fmt::format("<div class=\"card\"><h3>{}</h3><p class=\"big\">{}</p>\n{}<p class=\"small\">{}</p></div>\n",
                     title, big, rows, small);
}

std::string size_card(const Json& results) {
  const Json& before = member(results, "before");
  const Json& after = member(results, "after");
  const auto b = number(before, "bytes");
  const auto a = number(after, "bytes");
  if (!a) return {};
  std::vector<Bar> bars;
  if (b) bars.push_back({"before", size_text(*b), *b, "base"});
  bars.push_back({"after", size_text(*a), *a, "low"});
  const std::string format = words(before, "format");
  return card("Size of the file", b ? change(*b, *a) : size_text(*a), format.empty() ? "" : "was " + escape(format),
              bars);
}

std::string bits_card(const Json& results) {
  const auto b = number(member(results, "before"), "bits_per_weight");
  const auto a = number(member(results, "after"), "bits_per_weight");
  if (!a) return {};
  std::vector<Bar> bars;
  if (b) bars.push_back({"before", figure(*b), *b, "base"});
  bars.push_back({"after", figure(*a), *a, "low"});
  return card("Bits per weight", figure(*a), "scales and kept tensors included", bars);
}

std::string loss_card(const Json& results) {
  const Loss loss = loss_of(results);
  if (!loss.measured && !loss.predicted) return {};
  std::vector<Bar> bars;
  if (loss.predicted) bars.push_back({"predicted", figure(*loss.predicted), *loss.predicted, "quiet"});
  if (loss.measured) bars.push_back({"measured", figure(*loss.measured), *loss.measured, "low"});
  std::string small(loss.meaning);
  if (const auto p99 = number(member(results, "measured"), "kl_p99")) {
    small += fmt::format("; 99 of 100 tokens below {}", figure(*p99));
  }
  if (loss.most) small += fmt::format("; most {}", figure(*loss.most));
  return card(loss.title, figure(loss.measured ? *loss.measured : *loss.predicted), small, bars);
}

std::string neighbour_card(const Json& results) {
  const auto agreement = number(member(results, "measured"), "neighbour_agreement");
  if (!agreement) return {};
  std::string small;
  if (const auto texts = number(member(results, "measured"), "texts")) {
    small = fmt::format("the most similar other text, of {}", grouped(*texts));
  }
  return card("Same nearest text", percent(*agreement), small,
              {{"same", percent(*agreement), *agreement, "low"},
               {"other", percent(1.0 - *agreement), 1.0 - *agreement, "quiet"}});
}

std::string perplexity_card(const Json& results) {
  const Json& measured = member(results, "measured");
  const auto after = number(measured, "perplexity");
  const auto base = number(measured, "perplexity_base");
  if (!after) return {};
  std::vector<Bar> bars;
  if (base) bars.push_back({"before", figure(*base, 4), *base, "base"});
  bars.push_back({"after", figure(*after, 4), *after, "low"});
  std::string small;
  if (const auto error = number(measured, "perplexity_stderr")) {
    small = fmt::format("± {} standard error of the text", figure(*error, 2));
  }
  return card("Perplexity", base ? change(*base, *after) : figure(*after, 4), small, bars);
}

std::string agreement_card(const Json& results) {
  const Json& measured = member(results, "measured");
  const auto agreement = number(measured, "top1_agreement");
  if (!agreement) return {};
  std::string small;
  if (const auto tokens = number(measured, "tokens"))
    small = fmt::format("the likeliest token, of {} predictions", grouped(*tokens));
  return card("Same next token", percent(*agreement), small,
              {{"same", percent(*agreement), *agreement, "low"},
               {"other", percent(1.0 - *agreement), 1.0 - *agreement, "quiet"}});
}

// The figures after the headline: "KL 0.051, 82 % of next tokens unchanged".
std::string loss_in_short(const Json& results) {
  const Loss loss = loss_of(results);
  std::string out;
  if (loss.measured) {
    out = fmt::format("{} {}", loss.name, figure(*loss.measured, 2));
  } else if (loss.predicted) {
    out = fmt::format("predicted {} {}", loss.name, figure(*loss.predicted, 2));
  }
  if (const auto agreement = number(member(results, "measured"), "top1_agreement")) {
    out += fmt::format("{}{} of next tokens unchanged", out.empty() ? "" : ", ", percent(*agreement, 0));
  }
  return out;
}

std::string row(std::string_view name, std::string_view html) {
  return html.empty() ? "" : fmt::format("<dt>{}</dt><dd>{}</dd>\n", name, html);
}

std::string texts_rows(const Json& results) {
  std::string out;
  for (const Json& item : items(results, "texts")) {
    const auto tokens = number(item, "tokens");
    std::string body = fmt::format("<code>{}</code>", escape(words(item, "name")));
    if (tokens) body += fmt::format(", {} tokens", grouped(*tokens));
    const std::string role = words(item, "role");
    out += row(role.empty() ? "Text" : escape("Text: " + role), body);
  }
  return out;
}

std::string measure_row(const Json& results) {
  const Json& measured = member(results, "measured");
  std::string out;
  if (const auto chunks = number(measured, "chunks")) {
    out = fmt::format("{} chunks", grouped(*chunks));
    if (const auto context = number(measured, "context")) out += fmt::format(" of {} tokens", grouped(*context));
  }
  if (const std::string base = words(measured, "base"); !base.empty()) {
    out += fmt::format("{}against {}", out.empty() ? "" : ", ", escape(base));
  }
  return out;
}

std::string versions_row(const Json& results) {
  const Json& versions = member(results, "versions");
  std::string out;
  if (!versions.is_object()) return out;
  for (const auto& [name, value] : versions.items()) {
    out += fmt::format("{}{} {}", out.empty() ? "" : ", ", escape(name), escape(words(versions, name.c_str())));
  }
  return out;
}

}  // namespace

std::string headline_text(const Json& results) {
  const std::string title = words(results, "title");
  std::string name = words(member(results, "model"), "name");
  if (name.empty()) name = title.empty() ? "A quantized model" : title;
  const auto before = number(member(results, "before"), "bytes");
  const auto after = number(member(results, "after"), "bytes");
  if (before && after) return fmt::format("{} from {} to {}", name, size_text(*before), size_text(*after));
  return after ? fmt::format("{} in {}", name, size_text(*after)) : name;
}

std::string header_section(const Json& results) {
  const std::string title = words(results, "title");
  std::string out = "<header>\n";
  out += fmt::format("<p class=\"eyebrow\">{}</p>\n", title.empty() ? "lowbit report" : escape(title));
  out += fmt::format("<h1>{}</h1>\n", escape(headline_text(results)));
  if (const std::string loss = loss_in_short(results); !loss.empty()) {
    out += fmt::format("<p class=\"sub\">{}</p>\n", escape(loss));
  }
  if (const std::string command = words(results, "command"); !command.empty()) {
    out += fmt::format("<pre class=\"command\"><code>{}</code></pre>\n", escape(command));
  }
  return out + "</header>\n";
}

std::string cards_section(const Json& results) {
  const std::string cards = size_card(results) + bits_card(results) + loss_card(results) + agreement_card(results) +
                            neighbour_card(results) + perplexity_card(results);
  return cards.empty() ? "" : fmt::format("<section id=\"figures\" class=\"cards\">\n{}</section>\n", cards);
}

std::string origin_section(const Json& results) {
  const Json& model = member(results, "model");
  std::string rows = row("Model", escape(words(model, "name")));
  rows += row("Architecture", escape(words(model, "architecture")));
  if (const auto parameters = number(model, "parameters")) rows += row("Parameters", grouped(*parameters));
  rows += row("Source", escape(words(member(results, "before"), "format")));
  rows += row("Plan", escape(words(results, "plan")));
  rows += texts_rows(results);
  rows += row("Measured on", measure_row(results));
  rows += row("Seed", escape(words(results, "seed")));
  rows += row("Threads", escape(words(results, "threads")));
  if (const auto seconds = number(results, "seconds")) rows += row("Time", figure(*seconds) + " s");
  if (const auto memory = number(results, "peak_memory")) rows += row("Most memory", size_text(*memory));
  rows += row("Versions", versions_row(results));
  std::string notes;
  for (const Json& note : items(results, "notes")) {
    if (note.is_string()) notes += fmt::format("<li>{}</li>\n", escape(note.get_ref<const std::string&>()));
  }
  std::string body = rows.empty() ? "" : fmt::format("<dl>\n{}</dl>\n", rows);
  if (!notes.empty()) body += fmt::format("<ul class=\"notes\">\n{}</ul>\n", notes);
  return section("origin", "How this was made", "", body);
}

}  // namespace lowbit::report

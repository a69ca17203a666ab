#include "report/page.h"

#include <fmt/format.h>

#include "report/sections.h"

namespace lowbit::report {

std::string whole_page(std::string_view title, std::string_view body) {
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
      "script-src 'unsafe-inline'\">\n<title>{}</title>\n<style>\n{}</style>\n</head>\n<body>\n{}"
      "<div id=\"tip\" role=\"status\" hidden></div>\n<script>\n{}</script>\n</body>\n</html>\n",
      escape(title), style_sheet(), body, script());
}

std::string render_page(const nlohmann::json& results) {
  std::string body;
  const Json& example = member(results, "example");
  if (example.is_boolean() && example.get<bool>()) {
    body += "<p class=\"example\">An example: none of these numbers was measured.</p>\n";
  }
  body += "<main>\n" + header_section(results) + cards_section(results);
  for (const auto part : {map_section, kinds_section, curve_section, text_loss_section, answers_section,
                          worst_section, histograms_section, origin_section, tensors_section, raw_section}) {
    body += part(results);
  }
  return whole_page(headline_text(results), body + "</main>\n");
}

}  // namespace lowbit::report

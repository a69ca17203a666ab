// The table of all tensors, and the results themselves.
#include <fmt/format.h>

#include "report/sections.h"

namespace lowbit::report {
namespace {

std::string cell(std::string_view text) { return fmt::format("<td>{}</td>", text); }

// A number cell; what it sorts by stands in data-v.
std::string number_cell(const std::optional<double>& value, std::string_view text) {
  if (!value) return "<td></td>";
  return fmt::format("<td class=\"n\" data-v=\"{:.9g}\">{}</td>", *value, text);
}

}  // namespace

std::string tensors_section(const Json& results) {
  const auto rows = tensor_rows(results);
  if (rows.empty()) return {};
  std::string body;
  for (const TensorRow& row : rows) {
    body += "<tr>" + cell(escape(row.name)) + cell(escape(row.shape)) + cell(escape(row.source_format)) +
            cell(escape(row.formats())) + number_cell(row.bits, figure(row.bits)) +
            number_cell(row.bytes, grouped(row.bytes)) + number_cell(row.error, row.error ? figure(*row.error) : "") +
            number_cell(row.loss, row.loss ? figure(*row.loss) : "") + "</tr>\n";
  }
  std::string head;
  for (const char* title : {"Tensor", "Shape", "Was", "Format"}) head += fmt::format("<th>{}</th>", title);
  for (const char* title : {"Bits", "Bytes", "Error", "Loss"}) head += fmt::format("<th class=\"n\">{}</th>", title);
  return section(
      "tensors", "All tensors", "",
      fmt::format("<details><summary>{} tensors</summary>\n<div class=\"scroll\"><table class=\"sortable\">"
                  "<thead><tr>{}</tr></thead>\n<tbody>\n{}</tbody></table></div></details>\n",
                  grouped(static_cast<double>(rows.size())), head, body));
}

std::string raw_section(const Json& results) {
  // In a script element only "</script" and "<!--" mean anything: no "<" is left. "\u003c" is the same JSON.
  std::string data;
  for (const char c : results.dump(-1, ' ', false, Json::error_handler_t::replace)) {
    if (c == '<') {
      data += "\\u003c";
    } else {
      data += c;
    }
  }
  return section(
      "raw", "The numbers", "This page holds its own data: <code>#results</code> is the JSON it was made from.",
      fmt::format("<script type=\"application/json\" id=\"results\">{}</script>\n"
                  "<p class=\"save\"><button type=\"button\" id=\"save\" hidden>Save as JSON</button></p>\n",
                  data));
}

}  // namespace lowbit::report

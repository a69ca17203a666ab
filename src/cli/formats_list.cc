// lowbit formats list: every name of the format language.
#include <fmt/ranges.h>

#include <cstdio>

#include "cli/formats_command.h"
#include "eval/format_facts.h"
#include "formats/families.h"
#include "formats/policy.h"
#include "report/table.h"

namespace lowbit::cli {
namespace {

using formats::ElementFormat;

// "1 sign, 4 exponent, 3 mantissa; bias 7".
std::string meaning_of(const ElementFormat& element) {
  std::vector<std::string> parts;
  for (const eval::Field& field : eval::fields_of(element))
    parts.push_back(fmt::format("{} {}", field.bits, field.name));
  const std::string bias =
      element.kind == formats::ElementKind::floating ? fmt::format("; bias {}", element.bias) : "";
  return fmt::format("{}{}", fmt::join(parts, ", "), bias);
}

Json list_json() {
  Json elements = Json::array(), families = Json::array(), blocks = Json::array();
  for (const formats::ElementRow& row : formats::named_elements()) {
    const ElementFormat element = formats::parse_element(row.name).value();
    elements.push_back({{"name", row.name},
                        {"bits", element.bits},
                        {"least", exact_json(formats::decode_exact(element, element.min_code()))},
                        {"largest", exact_json(formats::decode_exact(element, element.max_code()))},
                        {"meaning", meaning_of(element)},
                        {"source", row.source}});
  }
  for (const formats::Family& row : formats::families()) {
    families.push_back({{"shape", row.shape}, {"example", row.example}, {"source", row.source}});
  }
  for (const formats::Alias& row : formats::aliases()) {
    const formats::Format format = formats::parse_format(row.name).value();
    if (format.is_plain()) continue;
    blocks.push_back({{"name", row.name},
                      {"bits", formats::bits_per_element(format)},
                      {"meaning", row.meaning},
                      {"source", row.source}});
  }
  return {{"elements", elements},
          {"families", families},
          {"blocks", blocks},
          {"roundings", formats::rounding_names()},
          {"saturations", formats::saturation_names()}};
}

std::vector<std::vector<std::string>> rows_of(const Json& list, std::initializer_list<const char*> keys) {
  std::vector<std::vector<std::string>> rows;
  for (const Json& item : list) {
    auto& row = rows.emplace_back();
    for (const char* key : keys) row.push_back(number_text(item.at(key), 6));
  }
  return rows;
}

}  // namespace

Status list_formats(const FormatsArguments& arguments) {
  const Json all = list_json();
  if (arguments.json) {
    print_json(all);
    return {};
  }
  using report::Align;
  const report::Column elements[] = {
      {"element"}, {"bits", Align::right}, {"least", Align::right}, {"largest", Align::right}, {"bits of"},
      {"source"}};
  const report::Column families[] = {{"elements by shape"}, {"such as"}, {"source"}};
  const report::Column blocks[] = {{"block format"}, {"bits", Align::right}, {"is"}, {"source"}};
  fmt::print("{}\n", report::table(elements, rows_of(all.at("elements"),
                                                     {"name", "bits", "least", "largest", "meaning", "source"})));
  fmt::print("{}\n", report::table(families, rows_of(all.at("families"), {"shape", "example", "source"})));
  fmt::print("{}\n", report::table(blocks, rows_of(all.at("blocks"), {"name", "bits", "meaning", "source"})));
  fmt::print("Any element takes scales behind it: int4/128:f16+zp, e2m1/16:e4m3fn/tensor:f32.\n");
  fmt::print(
      "A list of values is an element too, in brackets or in a file (a text of numbers, or .npy): [-1,0,0.5,1], "
      "@levels.txt/64:f16.\n");
  return {};
}

}  // namespace lowbit::cli

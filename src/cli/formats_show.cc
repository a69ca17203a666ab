// lowbit formats show F: everything about one format.
#include <fmt/ranges.h>

#include <cmath>
#include <cstdio>
#include <limits>

#include "cli/formats_command.h"
#include "eval/format_facts.h"
#include "formats/array.h"
#include "report/table.h"

namespace lowbit::cli {
namespace {

using eval::Field;
using formats::ElementFormat;
using formats::Exact;

std::string hex(const ElementFormat& element, uint32_t code) {
  return fmt::format("0x{:0{}X}", code, (element.bits + 3) / 4);
}

// The bits of a code, a space between its fields.
std::string binary(const std::vector<Field>& fields, uint32_t code) {
  std::string out;
  int left = 0;
  for (const Field& field : fields) left += field.bits;
  for (const Field& field : fields) {
    if (!out.empty()) out += ' ';
    for (int i = 0; i < field.bits; ++i) out += (code >> --left & 1) != 0 ? '1' : '0';
  }
  return out;
}

// The fields in boxes, the numbers of their outer bits above.
std::string drawing(const std::vector<Field>& fields) {
  std::string numbers, top, middle, bottom, names;
  int high = -1;
  for (const Field& field : fields) high += field.bits;
  for (size_t i = 0; i < fields.size(); ++i) {
    const int low = high - fields[i].bits + 1;
    const size_t width = static_cast<size_t>(2 * fields[i].bits + 1);
    const std::string left = fmt::format("{}", high), right = low == high ? "" : fmt::format("{}", low);
    const size_t indent = left.size() + right.size() + 2 <= width ? 1 : 0;
    const size_t inner = width - 2 * indent;
    numbers += std::string(1 + indent, ' ') + left + std::string(inner - left.size() - right.size(), ' ') + right +
               std::string(indent, ' ');
    std::string rule, letters;
    for (size_t k = 0; k < width; ++k) rule += "─";
    for (int k = 0; k < fields[i].bits; ++k) letters += fmt::format("{} ", fields[i].name[0]);
    top += (i == 0 ? "┌" : "┬") + rule;
    middle += "│ " + letters;
    bottom += (i == 0 ? "└" : "┴") + rule;
    names += fmt::format("{}{} {}", i == 0 ? "" : ", ", fields[i].name[0], fields[i].name);
    high = low - 1;
  }
  return fmt::format("{}\n{}┐\n{}│\n{}┘\n{}\n", numbers, top, middle, bottom, names);
}

Json value_json(const FormatsArguments& arguments, const ElementFormat& element, const eval::ValueLine* line) {
  const double x = *arguments.value;
  const formats::CastPolicy& policy = arguments.rounding.policy;
  const uint32_t code = formats::encode(element, x, policy, formats::random_word(arguments.rounding.seed, 0));
  const Exact value = formats::decode_exact(element, code);
  const Neighbours near = neighbours_of(element, line, value);
  Exact negated = Exact::of(x);
  negated.negative = !negated.negative;
  const bool finite = value.is_finite() && std::isfinite(x);
  return {{"x", exact_json(Exact::of(x))},
          {"round", formats::print_rounding(policy)},
          {"saturate", formats::print_saturation(policy.saturation)},
          {"code", code},
          {"value", exact_json(value)},
          {"error", finite ? exact_json(formats::add(value, negated)) : Json()},
          {"below", near.below},
          {"above", near.above}};
}

std::string codes_text(const ElementFormat& element, const Json& codes) {
  if (codes.empty()) return "none";
  std::vector<std::string> texts;
  for (const Json& code : codes) texts.push_back(hex(element, code.get<uint32_t>()));
  if (texts.size() > 4) {
    return fmt::format("{} codes, {} to {}", texts.size(), texts.front(), texts.back());
  }
  return fmt::format("{}", fmt::join(texts, ", "));
}

std::string nan_text(const ElementFormat& element, const Json& facts) {
  const auto count = facts.at("nan_codes").get<int64_t>();
  if (count == 0) return "none";
  const std::string first = hex(element, facts.at("first_nan").get<uint32_t>());
  if (count == 1) return first;
  return fmt::format("{} codes, {} {} {}", count, first, count == 2 ? "and" : "to",
                     hex(element, facts.at("last_nan").get<uint32_t>()));
}

std::string level_text(const Json& level) {
  const Json& group = level.at("group");
  const bool whole = group == "row" || group == "tensor";
  const std::string name = group.is_string() ? group.get<std::string>() : group.dump();
  std::string out =
      fmt::format("{} for {}", level.at("scale").get<std::string>(), whole ? "a whole " + name : name + " elements");
  if (!level.at("minimum").is_null()) out += ", minimum " + level.at("minimum").get<std::string>();
  if (level.at("zero_point").get<bool>()) out += ", zero point";
  return out;
}

void print_facts(const ElementFormat& element, const Json& facts) {
  const auto number = [&](const char* key, int digits) { return number_text(facts.at(key), digits); };
  std::vector<std::vector<std::string>> rows = {{"format", facts.at("format").get<std::string>()}};
  if (!facts.at("levels").empty()) {
    rows.push_back({"element", facts.at("element").get<std::string>()});
    rows.push_back({"bits per element", number("bits_per_element", 6)});
    for (const Json& level : facts.at("levels")) rows.push_back({"scale", level_text(level)});
  }
  rows.push_back({"bits", number("bits", 0)});
  if (!facts.at("bias").is_null()) rows.push_back({"bias", number("bias", 0)});
  rows.push_back({"largest", fmt::format("{} ({})", number("largest", 17), hex(element, element.max_code()))});
  rows.push_back({"least", fmt::format("{} ({})", number("least", 17), hex(element, element.min_code()))});
  if (!facts.at("smallest_normal").is_null()) rows.push_back({"smallest normal", number("smallest_normal", 17)});
  rows.push_back({"smallest positive", number("smallest", 17)});
  rows.push_back({"zero", codes_text(element, facts.at("zeros"))});
  rows.push_back({"infinity", codes_text(element, facts.at("infinities"))});
  rows.push_back({"NaN", nan_text(element, facts)});
  rows.push_back(
      {"finite values", fmt::format("{} in {} codes", number("finite_values", 0), number("finite_codes", 0))});
  rows.push_back({"dynamic range", fmt::format("{} dB, {} binades", number("decibels", 4), number("binades", 4))});
  rows.push_back({"step above 1", number("ulp_at_one", 17)});
  rows.push_back({"precision", fmt::format("{} bits, {} decimal digits at best", number("significant_bits", 4),
                                           number("decimal_digits", 3))});
  const report::Column columns[] = {{""}, {""}};
  fmt::print("{}\n{}", report::table(columns, rows), drawing(eval::fields_of(element)));
}

void print_value(const ElementFormat& element, const Json& value) {
  const auto code = value.at("code").get<uint32_t>();
  const auto number = [&](const char* key) { return number_text(value.at(key), 17); };
  const std::vector<std::vector<std::string>> rows = {
      {number("x"), fmt::format("becomes {} ({}, {})", number("value"), hex(element, code),
                                binary(eval::fields_of(element), code))},
      {"rounding", fmt::format("{}, saturation {}", number("round"), number("saturate"))},
      {"error", number("error")},
      {"below, above", fmt::format("{}, {}", number("below"), number("above"))}};
  const report::Column columns[] = {{""}, {""}};
  fmt::print("\n{}", report::table(columns, rows));
}

void print_values(const ElementFormat& element, const Json& values) {
  const std::vector<Field> fields = eval::fields_of(element);
  std::vector<std::vector<std::string>> rows;
  for (const Json& row : values) {
    const auto code = row.at("code").get<uint32_t>();
    rows.push_back({hex(element, code), binary(fields, code), number_text(row.at("value"), 17),
                    number_text(row.at("below"), 17), number_text(row.at("above"), 17)});
  }
  using report::Align;
  const report::Column columns[] = {
      {"code"}, {"bits"}, {"value", Align::right}, {"below", Align::right}, {"above", Align::right}};
  fmt::print("\n{}", report::table(columns, rows));
}

}  // namespace

Status show_format(const FormatsArguments& arguments) {
  const formats::Format& format = arguments.formats.front();
  const ElementFormat& element = format.element;
  Json facts = facts_json(format);
  std::optional<eval::ValueLine> line;
  if (eval::ValueLine::can_list(element)) line.emplace(element);
  if (arguments.value) facts["rounded"] = value_json(arguments, element, line ? &*line : nullptr);
  if (arguments.list_values || element.bits <= kListedBits) facts["values"] = values_json(element, *line);
  if (arguments.json) {
    print_json(facts);
  } else {
    print_facts(element, facts);
    if (arguments.value) print_value(element, facts.at("rounded"));
    if (facts.contains("values")) print_values(element, facts.at("values"));
  }
  return write_plot(arguments, {{"formats", Json::array({std::move(facts)})}});
}

}  // namespace lowbit::cli

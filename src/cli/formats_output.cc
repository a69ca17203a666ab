// Facts and numbers of formats as JSON and as text.
#include <fmt/format.h>

#include <cmath>

#include "base/file.h"
#include "cli/formats_command.h"
#include "eval/format_facts.h"
#include "report/format_page.h"

namespace lowbit::cli {
namespace {

Json group_json(const formats::ScaleLevel& level) {
  if (level.group == formats::kGroupRow) return "row";
  if (level.group == formats::kGroupTensor) return "tensor";
  return level.rows == 1 ? Json(level.group) : Json(fmt::format("{}x{}", level.rows, level.group));
}

Json levels_json(const formats::Format& format) {
  Json levels = Json::array();
  for (const formats::ScaleLevel& level : format.levels) {
    levels.push_back({{"group", group_json(level)},
                      {"scale", formats::print(level.scale)},
                      {"minimum", level.minimum ? Json(formats::print(*level.minimum)) : Json()},
                      {"zero_point", level.zero_point}});
  }
  return levels;
}

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

}  // namespace

Json exact_json(const formats::Exact& value) {
  const double number = value.to_double();
  const bool held = value.is_finite() && std::isfinite(number) && (number != 0.0 || value.is_zero());
  return held ? Json(number) : Json(eval::value_text(value));
}

Json facts_json(const formats::Format& format) {
  const eval::ElementFacts facts = eval::facts_of(format.element);
  Json fields = Json::array(), precision = Json::array();
  for (const eval::Field& field : eval::fields_of(format.element)) {
    fields.push_back({{"name", field.name}, {"bits", field.bits}});
  }
  for (const eval::Binade& b : facts.precision) {
    precision.push_back({{"exponent", b.exponent}, {"values", b.values}, {"step", or_null(b.step)}});
  }
  return {{"format", formats::print(format)},
          {"element", formats::print(format.element)},
          {"bits", facts.bits},
          {"bits_per_element", formats::bits_per_element(format)},
          {"levels", levels_json(format)},
          {"fields", fields},
          {"bias", or_null(facts.bias)},
          {"largest", exact_json(facts.largest)},
          {"least", exact_json(facts.least)},
          {"smallest", exact_json(facts.smallest)},
          {"smallest_normal", facts.smallest_normal ? exact_json(*facts.smallest_normal) : Json()},
          {"zeros", facts.zeros},
          {"infinities", facts.infinities},
          {"nan_codes", facts.nan_codes},
          {"first_nan", facts.nan_codes > 0 ? Json(facts.first_nan) : Json()},
          {"last_nan", facts.nan_codes > 0 ? Json(facts.last_nan) : Json()},
          {"finite_codes", facts.finite_codes},
          {"finite_values", facts.finite_values},
          {"binades", facts.binades},
          {"decibels", facts.decibels},
          {"ulp_at_one", or_null(facts.ulp_at_one)},
          {"significant_bits", facts.significant_bits},
          {"decimal_digits", facts.decimal_digits},
          {"precision", precision}};
}

// f32, whose values are not listed, has the neighbours of the float.
Neighbours neighbours_of(const formats::ElementFormat& element, const eval::ValueLine* line,
                         const formats::Exact& value) {
  if (!value.is_finite()) return {};
  if (line == nullptr) {
    const float x = value.to_float();
    const auto next = [&](float to) -> Json {
      const float y = std::nextafter(x, to);
      return std::isfinite(y) ? Json(static_cast<double>(y)) : Json();
    };
    return {next(-element.max_value()), next(element.max_value())};
  }
  const auto json = [](const eval::CodeValue* v) { return v != nullptr ? exact_json(v->value) : Json(); };
  return {json(line->below(value)), json(line->above(value))};
}

Json values_json(const formats::ElementFormat& element, const eval::ValueLine& line) {
  Json values = Json::array();
  for (const eval::CodeValue& row : eval::list_codes(element)) {
    const Neighbours near = neighbours_of(element, &line, row.value);
    values.push_back({{"code", row.code},
                      {"value", exact_json(row.value)},
                      {"below", near.below},
                      {"above", near.above},
                      {"made", row.made}});
  }
  return values;
}

std::string number_text(const Json& value, int digits) {
  if (value.is_null()) return "-";
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_float()) return fmt::format("{:.{}g}", value.get<double>(), digits);
  return value.dump();
}

Status write_plot(const FormatsArguments& arguments, Json result) {
  if (arguments.plot.empty()) return {};
  for (size_t i = 0; i < arguments.formats.size(); ++i) {
    Json& facts = result["formats"][i];
    const formats::ElementFormat& element = arguments.formats[i].element;
    if (!facts.contains("values") && element.bits <= kListedBits) {
      facts["values"] = values_json(element, eval::ValueLine(element));
    }
  }
  LOWBIT_TRY(write_text_file(arguments.plot, report::render_format_page(result)));
  if (!arguments.json) fmt::print("\nplot: {}\n", arguments.plot);
  return {};
}

}  // namespace lowbit::cli

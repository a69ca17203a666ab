#include "text/json_reader.h"

#include <cmath>

#include "text/metadata.h"

namespace lowbit::text {
namespace {

using nlohmann::json;

const json kNull;

std::string describe(const json& value) {
  if (value.is_string()) return "the string " + quote_text(value.get_ref<const std::string&>());
  if (value.is_number() || value.is_boolean()) return value.dump();
  if (value.is_null()) return "null";
  return fmt::format("an {} of {} items", value.type_name(), value.size());
}

// The depth of brackets outside of strings.
size_t depth_of(std::string_view text) {
  size_t depth = 0, deepest = 0;
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      quoted = c != '"';
    } else if (c == '"') {
      quoted = true;
    } else if (c == '[' || c == '{') {
      deepest = std::max(deepest, ++depth);
    } else if ((c == ']' || c == '}') && depth > 0) {
      --depth;
    }
  }
  return deepest;
}

}  // namespace

Result<json> parse_json(std::string_view text, std::string_view source_name) {
  constexpr size_t kMaxSize = 256 << 20, kMaxDepth = 64;
  if (text.size() > kMaxSize)
    return errorf("{}: has {} bytes, expected at most {}", source_name, text.size(), kMaxSize);
  const size_t depth = depth_of(text);
  if (depth > kMaxDepth) return errorf("{}: is nested {} deep, expected at most {}", source_name, depth, kMaxDepth);
  json out = json::parse(text, nullptr, false);
  if (!out.is_discarded()) return out;
  // Once more for the place, which is rare enough.
  try {
    (void)json::parse(text);
  } catch (const json::parse_error& e) {
    return errorf("{}: is no JSON (at byte {}), expected a JSON object", source_name, e.byte);
  }
  return errorf("{}: is no JSON, expected a JSON object", source_name);
}

JsonReader JsonReader::below(const json& value, std::string step) const {
  JsonReader out(value, source_);
  out.path_ = path_.empty() || step[0] == '[' ? path_ + step : path_ + "." + step;
  return out;
}

Result<JsonReader> JsonReader::member(std::string_view key) const {
  if (is_null()) return below(kNull, std::string(key));
  if (!is_object()) return expected("an object");
  const auto found = value_->find(std::string(key));
  return below(found == value_->end() ? kNull : *found, std::string(key));
}

Result<JsonReader> JsonReader::required(std::string_view key) const {
  LOWBIT_ASSIGN(JsonReader out, member(key));
  if (out.is_null()) return out.error("is absent");
  return out;
}

Result<std::string> JsonReader::string() const {
  if (!is_string()) return expected("a string");
  return value_->get<std::string>();
}

Result<bool> JsonReader::boolean() const {
  if (!value_->is_boolean()) return expected("true or false");
  return value_->get<bool>();
}

Result<double> JsonReader::number() const {
  if (!value_->is_number() || !std::isfinite(value_->get<double>())) return expected("a finite number");
  return value_->get<double>();
}

Result<int64_t> JsonReader::integer(int64_t low, int64_t high) const {
  const bool fits = value_->is_number_integer() &&
                    !(value_->is_number_unsigned() && value_->get<uint64_t>() > static_cast<uint64_t>(INT64_MAX));
  const int64_t number = fits ? value_->get<int64_t>() : 0;
  if (!fits || number < low || number > high) return expected(fmt::format("an integer from {} to {}", low, high));
  return number;
}

Result<std::vector<JsonReader>> JsonReader::items() const {
  std::vector<JsonReader> out;
  if (is_null()) return out;
  if (!is_array()) return expected("an array");
  out.reserve(value_->size());
  for (const json& item : *value_) out.push_back(below(item, fmt::format("[{}]", out.size())));
  return out;
}

Result<std::vector<std::pair<std::string, JsonReader>>> JsonReader::members() const {
  std::vector<std::pair<std::string, JsonReader>> out;
  if (!is_object()) return expected("an object");
  for (const auto& [key, value] : value_->items()) out.emplace_back(key, below(value, quote_text(key)));
  return out;
}

Result<std::string> JsonReader::string(std::string_view key, std::string_view none) const {
  LOWBIT_ASSIGN(const JsonReader value, member(key));
  if (value.is_null()) return std::string(none);
  return value.string();
}

Result<bool> JsonReader::boolean(std::string_view key, bool none) const {
  LOWBIT_ASSIGN(const JsonReader value, member(key));
  if (value.is_null()) return none;
  return value.boolean();
}

Result<std::string> JsonReader::type() const {
  LOWBIT_ASSIGN(const JsonReader value, required("type"));
  return value.string();
}

Error JsonReader::expected(std::string_view what) const {
  return error(fmt::format("is {}, expected {}", describe(*value_), what));
}

Error JsonReader::error(std::string_view what) const {
  return errorf("{}: {} {}", source_, path_.empty() ? "the document" : "\"" + path_ + "\"", what);
}

}  // namespace lowbit::text

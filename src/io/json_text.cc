#include "io/json_text.h"

#include <utility>

#include "io/limits.h"
#include "io/utf8.h"

namespace lowbit::io {
namespace {

using nlohmann::json;

constexpr size_t kMostComplaint = 200;  // bytes; the library repeats what it read

// Depth is bounded by check_json_bounds.
void unescape(json& value) {
  if (value.is_string()) {
    auto& text = value.get_ref<std::string&>();
    text = unescape_bytes(text);
  } else if (value.is_array()) {
    for (json& element : value) unescape(element);
  } else if (value.is_object()) {
    json::object_t object;
    for (auto& [key, element] : value.get_ref<json::object_t&>()) {
      unescape(element);
      object.emplace(unescape_bytes(key), std::move(element));
    }
    value.get_ref<json::object_t&>() = std::move(object);
  }
}

}  // namespace

// Counts at least as many levels and values as a parser would find.
Status check_json_bounds(std::string_view text) {
  uint64_t values = 1;
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      in_string = c != '"';
      continue;
    }
    in_string = c == '"';
    if (c == '[' || c == '{') ++depth;
    if (c == ']' || c == '}') --depth;
    values += c == ',' || c == '[' || c == '{' ? 1 : 0;
    if (depth > kMaxJsonDepth) return errorf("JSON nested deeper than {} at character {}", kMaxJsonDepth, i);
    if (values > kMaxMetadataValues) return errorf("JSON of more than {} values", kMaxMetadataValues);
  }
  return {};
}

Result<uint64_t> json_count(const json& value, uint64_t most, std::string_view what) {
  if (!value.is_number_unsigned() || value.get<uint64_t>() > most) {
    return errorf("{} is {}, expected a whole number up to {}", what, shown(value.dump()), most);
  }
  return value.get<uint64_t>();
}

void append_json_string(std::string_view text, std::string& out) { out += json(text).dump(); }

void append_json(const json& value, std::string& out) {
  if (value.is_string()) {
    append_json_string(escape_bytes(value.get_ref<const std::string&>()), out);
  } else if (value.is_array()) {
    char mark = '[';
    for (const json& element : value) {
      out += std::exchange(mark, ',');
      append_json(element, out);
    }
    out += mark == '[' ? "[]" : "]";
  } else if (value.is_object()) {
    char mark = '{';
    for (const auto& [key, element] : value.get_ref<const json::object_t&>()) {
      out += std::exchange(mark, ',');
      append_json_string(escape_bytes(key), out);
      out += ':';
      append_json(element, out);
    }
    out += mark == '{' ? "{}" : "}";
  } else {
    out += value.dump();
  }
}

Result<json> parse_json(std::string_view text) {
  LOWBIT_TRY(check_json_bounds(text));
  try {
    json value = json::parse(text);
    unescape(value);
    return value;
  } catch (const std::exception& error) {
    return Error{json_complaint(error)};
  }
}

std::string json_complaint(const std::exception& error) {
  const std::string_view what = error.what();
  const size_t end = what.find("] ");
  return printable(end == std::string_view::npos ? what : what.substr(end + 2), kMostComplaint);
}

}  // namespace lowbit::io

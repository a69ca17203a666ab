// Foreign JSON, read with a path: every error names the file, the key, what was found and what was expected.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace lowbit::text {

// Text to JSON with bounds on its size and depth.
Result<nlohmann::json> parse_json(std::string_view text, std::string_view source_name);

// A value that lies in a document; both are borrowed.
class JsonReader {
 public:
  JsonReader(const nlohmann::json& value, std::string_view source_name) : value_(&value), source_(source_name) {}

  const nlohmann::json& value() const { return *value_; }
  bool is_null() const { return value_->is_null(); }
  bool is_string() const { return value_->is_string(); }
  bool is_array() const { return value_->is_array(); }
  bool is_object() const { return value_->is_object(); }

  // A member of an object; null where it is absent (and where this is null).
  Result<JsonReader> member(std::string_view key) const;
  // An error where it is absent or null.
  Result<JsonReader> required(std::string_view key) const;

  Result<std::string> string() const;
  Result<bool> boolean() const;
  Result<double> number() const;
  Result<int64_t> integer(int64_t low, int64_t high) const;
  Result<std::vector<JsonReader>> items() const;  // of an array; null has none
  Result<std::vector<std::pair<std::string, JsonReader>>> members() const;

  // Members with a value for what is absent or null.
  Result<std::string> string(std::string_view key, std::string_view none) const;
  Result<bool> boolean(std::string_view key, bool none) const;

  // The member "type" of an object.
  Result<std::string> type() const;

  // "FILE: "KEY" is FOUND, expected EXPECTED".
  Error expected(std::string_view what) const;
  // "FILE: "KEY" ...".
  Error error(std::string_view what) const;

 private:
  JsonReader below(const nlohmann::json& value, std::string step) const;

  const nlohmann::json* value_;
  std::string_view source_;
  std::string path_;
};

// Appends the step that an object with a type describes, or those of a Sequence, whose list stands under `list`.
// rows: {type, read}. An unknown type is an error that names the known ones.
template <class Rows, class Step>
Status read_steps(const JsonReader& json, const char* list, const Rows& rows, std::vector<Step>& steps) {
  LOWBIT_ASSIGN(const std::string type, json.type());
  if (type == "Sequence") {
    LOWBIT_ASSIGN(const JsonReader sequence, json.required(list));
    LOWBIT_ASSIGN(const auto items, sequence.items());
    for (const JsonReader& item : items) LOWBIT_TRY(read_steps(item, list, rows, steps));
    return {};
  }
  std::string known = "Sequence";
  for (const auto& row : rows) {
    known.append(", ").append(row.type);
    if (row.type != type) continue;
    LOWBIT_ASSIGN(Step step, row.read(json));
    steps.push_back(std::move(step));
    return {};
  }
  LOWBIT_ASSIGN(const JsonReader name, json.required("type"));
  return name.expected("one of " + known);
}

}  // namespace lowbit::text

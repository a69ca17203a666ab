#include "text/metadata.h"

#include <cmath>

#include "text/utf8.h"

namespace lowbit::text {
namespace {

using nlohmann::json;

// An integer in [low, high], or empty.
std::optional<int64_t> integer_within(const json& value, int64_t low, int64_t high) {
  if (value.is_number_unsigned()) {
    const uint64_t x = value.get<uint64_t>();
    if (high < 0 || x > static_cast<uint64_t>(high) || (low > 0 && x < static_cast<uint64_t>(low))) return {};
    return static_cast<int64_t>(x);
  }
  if (!value.is_number_integer()) return {};
  const int64_t x = value.get<int64_t>();
  if (x < low || x > high) return {};
  return x;
}

std::string describe(const json& value) {
  if (value.is_string()) return "the string " + quote_text(value.get_ref<const std::string&>());
  if (value.is_number() || value.is_boolean()) return value.dump();
  return fmt::format("{} {}", value.is_array() || value.is_object() ? "an" : "a", value.type_name());
}

}  // namespace

std::string quote_text(std::string_view text, size_t limit) {
  const bool cut = text.size() > limit;
  std::string out = "\"";
  for (const char c : repair_utf8(text.substr(0, limit))) {
    const uint8_t byte = static_cast<uint8_t>(c);
    if (byte < 0x20 || byte == 0x7F) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out + (cut ? "...\"" : "\"");
}

Result<std::vector<float>> Metadata::scores(size_t count) const {
  constexpr const char* kScores = "tokenizer.ggml.scores";
  LOWBIT_ASSIGN(auto scores, numbers(kScores));
  if (!scores) return error(kScores, "is absent, expected a number for each token");
  if (scores->size() != count) {
    return error(kScores, fmt::format("has {} items, expected one for each of the {} tokens", scores->size(), count));
  }
  return std::move(*scores);
}

Error Metadata::error(const char* key, std::string_view what) const {
  return errorf("{}: metadata key \"{}\" {}", source_, key, what);
}

Result<const json*> Metadata::find(const char* key) const {
  if (!values_.is_object()) return errorf("{}: the metadata is {}, expected an object", source_, describe(values_));
  const auto found = values_.find(key);
  if (found == values_.end() || found->is_null()) return nullptr;
  return &*found;
}

Result<std::optional<std::string>> Metadata::string(const char* key) const {
  LOWBIT_ASSIGN(const json* value, find(key));
  if (value == nullptr) return std::optional<std::string>();
  if (!value->is_string()) return error(key, fmt::format("is {}, expected a string", describe(*value)));
  return std::optional<std::string>(value->get<std::string>());
}

Result<std::optional<bool>> Metadata::boolean(const char* key) const {
  LOWBIT_ASSIGN(const json* value, find(key));
  if (value == nullptr) return std::optional<bool>();
  if (!value->is_boolean()) return error(key, fmt::format("is {}, expected true or false", describe(*value)));
  return std::optional<bool>(value->get<bool>());
}

Result<std::optional<int32_t>> Metadata::token_id(const char* key, size_t count) const {
  LOWBIT_ASSIGN(const json* value, find(key));
  if (value == nullptr) return std::optional<int32_t>();
  const auto id = integer_within(*value, 0, static_cast<int64_t>(count) - 1);
  if (!id) {
    return error(key, fmt::format("is {}, expected the id of a token, from 0 to {}", describe(*value),
                                  static_cast<int64_t>(count) - 1));
  }
  return std::optional<int32_t>(static_cast<int32_t>(*id));
}

Result<std::optional<std::vector<std::string_view>>> Metadata::strings(const char* key) const {
  using Values = std::vector<std::string_view>;
  LOWBIT_ASSIGN(const json* value, find(key));
  if (value == nullptr) return std::optional<Values>();
  if (!value->is_array()) return error(key, fmt::format("is {}, expected an array of strings", describe(*value)));
  Values out;
  out.reserve(value->size());
  for (const json& item : *value) {
    if (!item.is_string()) {
      return error(key, fmt::format("has {} at index {}, expected a string", describe(item), out.size()));
    }
    out.push_back(item.get_ref<const std::string&>());
  }
  return std::optional<Values>(std::move(out));
}

Result<std::optional<std::vector<float>>> Metadata::numbers(const char* key) const {
  using Values = std::vector<float>;
  LOWBIT_ASSIGN(const json* value, find(key));
  if (value == nullptr) return std::optional<Values>();
  if (!value->is_array()) return error(key, fmt::format("is {}, expected an array of numbers", describe(*value)));
  Values out;
  out.reserve(value->size());
  for (const json& item : *value) {
    if (!item.is_number() || !std::isfinite(item.get<float>())) {
      return error(key, fmt::format("has {} at index {}, expected a finite number", describe(item), out.size()));
    }
    out.push_back(item.get<float>());
  }
  return std::optional<Values>(std::move(out));
}

Result<std::optional<std::vector<int64_t>>> Metadata::integers(const char* key, int64_t low, int64_t high) const {
  using Values = std::vector<int64_t>;
  LOWBIT_ASSIGN(const json* value, find(key));
  if (value == nullptr) return std::optional<Values>();
  if (!value->is_array()) return error(key, fmt::format("is {}, expected an array of integers", describe(*value)));
  Values out;
  out.reserve(value->size());
  for (const json& item : *value) {
    const auto number = integer_within(item, low, high);
    if (!number) {
      return error(key, fmt::format("has {} at index {}, expected an integer from {} to {}", describe(item),
                                    out.size(), low, high));
    }
    out.push_back(*number);
  }
  return std::optional<Values>(std::move(out));
}

}  // namespace lowbit::text

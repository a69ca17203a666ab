#include "models/hf/config.h"

#include "models/blocks.h"

namespace lowbit::models::hf {

using nlohmann::json;

const json* HfConfig::at(const std::string& key) const {
  const auto found = values_->find(key);
  return found == values_->end() || found->is_null() ? nullptr : &*found;
}

Error HfConfig::error(const std::string& key, std::string_view found, std::string_view expected) const {
  return errorf("{}: \"{}{}\" is {}, expected {}", path_, prefix_, key, found, expected);
}

Result<int64_t> HfConfig::integer(const std::string& key, int64_t least, int64_t most) const {
  const json* value = at(key);
  const std::string range = fmt::format("a whole number from {} to {}", least, most);
  if (value == nullptr) return error(key, "missing", range);
  const bool fits = value->is_number_integer() &&
                    (!value->is_number_unsigned() || value->get<uint64_t>() <= static_cast<uint64_t>(INT64_MAX));
  if (!fits || value->get<int64_t>() < least || value->get<int64_t>() > most) {
    return error(key, describe(*value), range);
  }
  return value->get<int64_t>();
}

Result<int64_t> HfConfig::integer(const std::string& key, int64_t least, int64_t most, int64_t fallback) const {
  return has(key) ? integer(key, least, most) : Result<int64_t>(fallback);
}

Result<double> HfConfig::number(const std::string& key, double least, double most) const {
  const json* value = at(key);
  const std::string range = fmt::format("a number from {} to {}", least, most);
  if (value == nullptr) return error(key, "missing", range);
  if (!value->is_number() || !(value->get<double>() >= least && value->get<double>() <= most)) {
    return error(key, describe(*value), range);
  }
  return value->get<double>();
}

Result<double> HfConfig::number(const std::string& key, double least, double most, double fallback) const {
  return has(key) ? number(key, least, most) : Result<double>(fallback);
}

Result<bool> HfConfig::boolean(const std::string& key, bool fallback) const {
  const json* value = at(key);
  if (value == nullptr) return fallback;
  if (!value->is_boolean()) return error(key, describe(*value), "true or false");
  return value->get<bool>();
}

Result<std::string> HfConfig::text(const std::string& key, const std::string& fallback) const {
  const json* value = at(key);
  if (value == nullptr) return fallback;
  if (!value->is_string()) return error(key, describe(*value), "a string");
  return value->get<std::string>();
}

Result<std::vector<float>> HfConfig::numbers(const std::string& key) const {
  const json* value = at(key);
  if (value == nullptr || !value->is_array()) {
    return error(key, value == nullptr ? "missing" : describe(*value), "a list of numbers");
  }
  std::vector<float> numbers;
  for (const json& element : *value) {
    if (!element.is_number()) return error(key, "a list with " + describe(element), "a list of numbers");
    numbers.push_back(static_cast<float>(element.get<double>()));
  }
  return numbers;
}

Result<HfConfig> HfConfig::object(const std::string& key) const {
  static const json kEmpty = json::object();
  const json* value = at(key);
  if (value != nullptr && !value->is_object()) return error(key, describe(*value), "an object");
  return HfConfig(value == nullptr ? kEmpty : *value, path_, prefix_ + key + ".");
}

Status HfConfig::expect(const std::string& key, const json& expected) const {
  const json* value = at(key);
  if (value == nullptr || *value == expected) return {};
  return error(key, describe(*value), expected.dump());
}

}  // namespace lowbit::models::hf

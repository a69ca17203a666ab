// config.json of a Hugging Face model, read with errors that name file and key.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "base/result.h"

namespace lowbit::models::hf {

// A key that is null counts as absent.
class HfConfig {
 public:
  // values is borrowed. prefix: of keys, in messages.
  HfConfig(const nlohmann::json& values, std::string path, std::string prefix = "")
      : values_(&values), path_(std::move(path)), prefix_(std::move(prefix)) {}

  bool has(const std::string& key) const { return at(key) != nullptr; }
  // In [least, most]; without a fallback a missing key is an error.
  Result<int64_t> integer(const std::string& key, int64_t least, int64_t most) const;
  Result<int64_t> integer(const std::string& key, int64_t least, int64_t most, int64_t fallback) const;
  Result<double> number(const std::string& key, double least, double most) const;
  Result<double> number(const std::string& key, double least, double most, double fallback) const;
  Result<bool> boolean(const std::string& key, bool fallback) const;
  Result<std::string> text(const std::string& key, const std::string& fallback) const;
  Result<std::vector<float>> numbers(const std::string& key) const;
  // The object under a key, empty where it is absent.
  Result<HfConfig> object(const std::string& key) const;
  // An error unless the key is absent or has this value.
  Status expect(const std::string& key, const nlohmann::json& value) const;
  Error error(const std::string& key, std::string_view found, std::string_view expected) const;

  const nlohmann::json& values() const { return *values_; }
  const std::string& path() const { return path_; }

 private:
  const nlohmann::json* at(const std::string& key) const;
  const nlohmann::json* values_;
  std::string path_, prefix_;
};

}  // namespace lowbit::models::hf

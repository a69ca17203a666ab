// Checked reading of a model's metadata: every error names the source, the key, what was found and what was expected.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace lowbit::text {

class Metadata {
 public:
  // Both are borrowed. source_name: the file, for the messages.
  Metadata(const nlohmann::json& values, std::string_view source_name) : values_(values), source_(source_name) {}

  std::string_view source() const { return source_; }

  // A key that is absent or null is nullopt; one of the wrong type is an error.
  Result<std::optional<std::string>> string(const char* key) const;
  Result<std::optional<bool>> boolean(const char* key) const;
  // An id in [0, count).
  Result<std::optional<int32_t>> token_id(const char* key, size_t count) const;
  // Strings are borrowed from the metadata.
  Result<std::optional<std::vector<std::string_view>>> strings(const char* key) const;
  // Finite numbers.
  Result<std::optional<std::vector<float>>> numbers(const char* key) const;
  // Integers in [low, high].
  Result<std::optional<std::vector<int64_t>>> integers(const char* key, int64_t low, int64_t high) const;

  // tokenizer.ggml.scores, one for each of so many tokens; absent is an error too.
  Result<std::vector<float>> scores(size_t count) const;

  // "FILE: metadata key "KEY" ...".
  Error error(const char* key, std::string_view what) const;

 private:
  // Null where the key is absent or null.
  Result<const nlohmann::json*> find(const char* key) const;

  const nlohmann::json& values_;
  std::string_view source_;
};

// Foreign text for a message: well-formed, on one line, at most `limit` bytes of it.
std::string quote_text(std::string_view text, size_t limit = 60);

}  // namespace lowbit::text

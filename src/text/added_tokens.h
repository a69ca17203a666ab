// The added tokens of tokenizer.json: found in a text before anything else is done to it, or after its normalizer.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/json_reader.h"
#include "text/tokenizer.h"

namespace lowbit::text {

struct AddedToken {
  std::string content;
  int32_t id = 0;
  bool single_word = false;  // only between characters that are no part of a word
  bool lstrip = false;       // takes the white space before it
  bool rstrip = false;       // and after it
  bool normalized = false;   // looked for in the normalized text
  bool special = false;      // steers the model
};

Result<std::vector<AddedToken>> read_added_tokens(const JsonReader& json);

// From the left, at one place the longest.
class AddedTokenFinder {
 public:
  AddedTokenFinder() = default;
  explicit AddedTokenFinder(const std::vector<AddedToken>& tokens);

  struct Part {
    size_t begin, end;
    int32_t id;  // -1: text between the tokens
  };
  // A well-formed text in parts that are not empty. Special tokens only with parse_control, and none that overlaps a
  // range of `plain`.
  std::vector<Part> split(std::string_view text, bool parse_control, std::span<const TextRange> plain = {}) const;

 private:
  // Special tokens of at most `control` bytes.
  const AddedToken* at(std::string_view rest, size_t control) const;
  std::array<std::vector<AddedToken>, 256> by_first_byte_;  // longest first
};

}  // namespace lowbit::text

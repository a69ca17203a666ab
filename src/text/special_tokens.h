// Finds the names of special tokens in a text.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"
#include "text/vocabulary.h"

namespace lowbit::text {

class SpecialTokens {
 public:
  explicit SpecialTokens(const Vocabulary& vocabulary);

  struct Found {
    size_t at, length;  // length 0: there is none
    int32_t id;
  };
  // The first name at or after `from`; at one place the longest. Control and unknown tokens only with parse_control.
  // No control or unknown token overlaps a range of `plain` (ascending, disjoint).
  Found find(std::string_view text, size_t from, bool parse_control, std::span<const TextRange> plain = {}) const;

 private:
  struct Entry {
    std::string name;
    int32_t id;
    bool control;
  };
  std::array<std::vector<Entry>, 256> by_first_byte_;  // longest first
};

}  // namespace lowbit::text

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

// Bytes from `at` to the first range of `plain` that does not end before it: 0 inside a range, npos behind all.
size_t free_bytes(std::span<const TextRange> plain, size_t at);

class SpecialTokens {
 public:
  explicit SpecialTokens(const Vocabulary& vocabulary);

  struct Found {
    size_t at, length;  // length 0: there is none
    int32_t id;
  };
  // The first name at or after `from`; at one place the longest, of equal names the lowest id. Control and unknown
  // tokens only with parse_control, and none that overlaps a range of `plain` (ascending, disjoint).
  Found find(std::string_view text, size_t from, bool parse_control, std::span<const TextRange> plain = {}) const;

 private:
  struct Entry {
    std::string name;
    int32_t id;
  };
  // Names in order: those that begin alike are neighbours, and a name stands before the longer ones it begins.
  class Names {
   public:
    void add(Entry entry) { entries_.push_back(std::move(entry)); }
    void sort();
    // The longest name that `text` begins with, or null. O(length of the longest name x log(names)).
    const Entry* longest(std::string_view text) const;

   private:
    std::vector<Entry> entries_;
    std::array<size_t, 257> begin_{};  // by first byte: begin_[b] to begin_[b + 1]
  };
  Names user_defined_, control_;
};

}  // namespace lowbit::text

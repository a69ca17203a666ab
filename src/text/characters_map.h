// SentencePiece's precompiled map of characters (nmt_nfkc and others): what beginnings of a text are written as
// instead. A double array trie (darts-clone) with the replacements behind it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace lowbit::text {

class CharactersMap {
 public:
  CharactersMap() = default;
  // The bytes as files have them: u32 size of the trie in bytes, the trie, replacements with a zero byte after each.
  // An empty string is an empty map.
  static Result<CharactersMap> parse(std::string_view bytes);

  struct Match {
    size_t length = 0;  // bytes of the text; 0: the map says nothing
    std::string_view replacement;
  };
  // By the longest entry that the text begins with, as SentencePiece and llama.cpp do.
  Match longest(std::string_view text) const { return match(text, false); }
  // By the shortest one, as the tokenizers package does.
  Match shortest(std::string_view text) const { return match(text, true); }

  bool empty() const { return units_.empty(); }

 private:
  Match match(std::string_view text, bool first) const;

  std::vector<uint32_t> units_;
  std::string replacements_;
};

}  // namespace lowbit::text

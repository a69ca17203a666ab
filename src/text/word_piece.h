// WordPiece (Schuster and Nakajima 2012) as BERT uses it: words are cut into the longest tokens from the left.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "text/model.h"
#include "text/token_table.h"

namespace lowbit::text {

class WordPieceTable {
 public:
  using Tokens = std::vector<std::pair<std::string, int32_t>>;
  WordPieceTable() = default;
  // Tokens that begin a word, and those that continue one.
  WordPieceTable(Tokens begins, Tokens continues) : begins_(std::move(begins)), continues_(std::move(continues)) {}

  // Appends the ids of a word; false, and nothing appended, where it cannot be cut.
  bool cut(std::string_view word, std::vector<int32_t>& ids) const;

 private:
  TokenTable begins_, continues_;
};

// Words of more characters are unknown.
inline constexpr size_t kMaxWordPieceCharacters = 100;

// A ModelFactory. Tokens that begin a word are written with U+2581 before it. A file does not say whether its model
// knows capitals: it does where its tokens have them.
Result<std::shared_ptr<const Model>> make_word_piece(const Metadata& metadata, const Vocabulary& vocabulary);

}  // namespace lowbit::text

#include "text/word_piece.h"

#include <algorithm>

#include "text/bert_text.h"
#include "text/spelling.h"
#include "text/utf8.h"

namespace lowbit::text {
namespace {

struct Tables {
  WordPieceTable words;
  BertRules rules;
  int32_t unknown = -1;
};

size_t count_characters(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<uint8_t>(c) & 0xC0) != 0x80; }));
}

class WordPieceEncoder final : public Encoder {
 public:
  explicit WordPieceEncoder(std::shared_ptr<const Tables> tables) : tables_(std::move(tables)) {}

  void encode(std::string_view stretch, std::vector<int32_t>& ids) override {
    const std::string text = bert_normalize(repair_utf8(stretch), tables_->rules);
    for (const std::string_view word : bert_words(text)) {
      if (count_characters(word) <= kMaxWordPieceCharacters && tables_->words.cut(word, ids)) continue;
      lost_ += word.size();
      if (tables_->unknown >= 0) ids.push_back(tables_->unknown);
    }
  }

  uint64_t lost_bytes() const override { return lost_; }

 private:
  std::shared_ptr<const Tables> tables_;
  uint64_t lost_ = 0;
};

class WordPiece final : public Model {
 public:
  explicit WordPiece(std::shared_ptr<const Tables> tables) : tables_(std::move(tables)) {}

  std::unique_ptr<Encoder> encoder() const override { return std::make_unique<WordPieceEncoder>(tables_); }
  std::string bytes_of(std::string_view token, TokenType) const override {
    return bert_clean_up(replace_all(token, kMetaspace, " "));
  }
  bool prefixes_space() const override { return true; }
  bool adds_bos() const override { return true; }
  bool adds_eos() const override { return true; }

 private:
  std::shared_ptr<const Tables> tables_;
};

}  // namespace

bool WordPieceTable::cut(std::string_view word, std::vector<int32_t>& ids) const {
  const size_t before = ids.size();
  for (size_t at = 0; at < word.size();) {
    const auto [length, id] = (at == 0 ? begins_ : continues_).longest(word.substr(at));
    if (length == 0) {
      ids.resize(before);
      return false;
    }
    ids.push_back(id);
    at += length;
  }
  return true;
}

Result<std::shared_ptr<const Model>> make_word_piece(const Metadata& metadata, const Vocabulary& vocabulary) {
  auto tables = std::make_shared<Tables>();
  WordPieceTable::Tokens begins, continues;
  size_t capitals = 0;
  for (size_t i = 0; i < vocabulary.tokens.size(); ++i) {
    const std::string_view token = vocabulary.tokens[i];
    if (vocabulary.types[i] != TokenType::normal) continue;
    const bool begin = token.substr(0, kMetaspace.size()) == kMetaspace;
    (begin ? begins : continues)
        .emplace_back(begin ? token.substr(kMetaspace.size()) : token, static_cast<int32_t>(i));
    capitals += begin && std::any_of(token.begin(), token.end(), [](char c) { return c >= 'A' && c <= 'Z'; }) ? 1 : 0;
  }
  const bool cased = capitals * 50 > begins.size();
  tables->rules.lower_case = tables->rules.strip_accents = !cased;
  tables->unknown = vocabulary.unknown;
  tables->words = WordPieceTable(std::move(begins), std::move(continues));
  return std::shared_ptr<const Model>(std::make_shared<WordPiece>(std::move(tables)));
}

}  // namespace lowbit::text

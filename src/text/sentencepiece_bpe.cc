#include "text/sentencepiece_bpe.h"

#include <array>
#include <unordered_map>

#include "text/merger.h"
#include "text/spelling.h"
#include "text/utf8.h"

namespace lowbit::text {
namespace {

struct Tables {
  // Views into `spelt`.
  std::unordered_map<std::string_view, int32_t> tokens;
  std::vector<std::string> spelt;
  std::vector<float> scores;
  std::array<int32_t, 256> byte_token;  // -1: the vocabulary has none
  int32_t unknown = -1;
  bool space_prefix = true;
};

struct ScoredMerge {
  float rank;  // the score's negative
  int32_t symbol;
};

// The text of the pair is looked up; symbols are ids, or -1 for a character without a token.
struct FindToken {
  const Tables* tables;
  const std::string* text;
  std::optional<ScoredMerge> operator()(const MergeNode& left, const MergeNode& right) const {
    const auto found = tables->tokens.find(std::string_view(*text).substr(left.begin, left.size + right.size));
    if (found == tables->tokens.end()) return std::nullopt;
    return ScoredMerge{-tables->scores[found->second], found->second};
  }
};

class SentencePieceEncoder final : public Encoder {
 public:
  explicit SentencePieceEncoder(std::shared_ptr<const Tables> tables)
      : tables_(std::move(tables)), merger_(FindToken{tables_.get(), &text_}) {}

  void encode(std::string_view stretch, std::vector<int32_t>& ids) override {
    if (stretch.empty()) return;
    text_ = tables_->space_prefix ? kMetaspace : std::string_view();
    text_ += replace_all(stretch, " ", kMetaspace);
    merger_.clear();
    for (size_t at = 0; at < text_.size();) {
      const size_t length = utf8_step(std::string_view(text_).substr(at)).length;
      merger_.add(find(at, length), length);
      at += length;
    }
    merger_.run([&](const MergeNode& node) { emit(node, ids); });
  }

  uint64_t lost_bytes() const override { return lost_; }

 private:
  int32_t find(size_t at, size_t length) const {
    const auto found = tables_->tokens.find(std::string_view(text_).substr(at, length));
    return found == tables_->tokens.end() ? -1 : found->second;
  }

  void emit(const MergeNode& node, std::vector<int32_t>& ids) {
    if (node.symbol >= 0) {
      ids.push_back(node.symbol);
      return;
    }
    for (size_t i = 0; i < node.size; ++i) {
      const int32_t byte = tables_->byte_token[static_cast<uint8_t>(text_[node.begin + i])];
      if (byte < 0) {  // a vocabulary without byte fallback: one unknown token for the character
        lost_ += node.size;
        if (tables_->unknown >= 0) ids.push_back(tables_->unknown);
        return;
      }
      ids.push_back(byte);
    }
  }

  std::shared_ptr<const Tables> tables_;
  std::string text_;
  Merger<ScoredMerge, FindToken> merger_;
  uint64_t lost_ = 0;
};

class SentencePieceBpe final : public Model {
 public:
  explicit SentencePieceBpe(std::shared_ptr<const Tables> tables) : tables_(std::move(tables)) {}

  std::unique_ptr<Encoder> encoder() const override { return std::make_unique<SentencePieceEncoder>(tables_); }

  std::string bytes_of(std::string_view token, TokenType type) const override {
    const int byte = type == TokenType::byte ? byte_of_token(token) : -1;
    return byte >= 0 ? std::string(1, static_cast<char>(byte)) : replace_all(token, kMetaspace, " ");
  }

  bool prefixes_space() const override { return tables_->space_prefix; }
  bool adds_bos() const override { return true; }

 private:
  std::shared_ptr<const Tables> tables_;
};

}  // namespace

Result<std::shared_ptr<const Model>> make_sentencepiece_bpe(const Metadata& metadata, const Vocabulary& vocabulary) {
  auto tables = std::make_shared<Tables>();
  LOWBIT_ASSIGN(tables->scores, metadata.scores(vocabulary.tokens.size()));
  LOWBIT_ASSIGN(const auto prefix, metadata.boolean("tokenizer.ggml.add_space_prefix"));
  tables->space_prefix = prefix.value_or(true);
  tables->unknown = vocabulary.unknown;
  tables->byte_token.fill(-1);
  tables->spelt = vocabulary.tokens;
  tables->tokens.reserve(vocabulary.tokens.size());
  for (size_t i = 0; i < vocabulary.tokens.size(); ++i) {
    const int32_t id = static_cast<int32_t>(i);
    const TokenType type = vocabulary.types[i];
    const int byte = type == TokenType::byte ? byte_of_token(vocabulary.tokens[i]) : -1;
    if (byte >= 0) {
      tables->byte_token[byte] = id;
      // Merges must not be able to spell a byte's name or a control token; user-defined ones are matched before.
    } else if (type == TokenType::normal || type == TokenType::unused) {
      tables->tokens.emplace(tables->spelt[i], id);
    }
  }
  return std::shared_ptr<const Model>(std::make_shared<SentencePieceBpe>(std::move(tables)));
}

}  // namespace lowbit::text

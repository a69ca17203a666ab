#include "text/unigram.h"

#include <algorithm>
#include <array>

#include "text/characters_map.h"
#include "text/spelling.h"
#include "text/utf8.h"
#include "text/viterbi.h"

namespace lowbit::text {
namespace {

struct Tables {
  UnigramModel model;
  CharactersMap map;
  std::array<int32_t, 256> byte_token;
  bool byte_fallback = false;  // every byte has a token
  int32_t unknown = -1;
  bool space_prefix = false, merge_spaces = false;
};

// The text as the model sees it: characters mapped, spaces written as U+2581.
class Normalizer {
 public:
  explicit Normalizer(const Tables& tables) : tables_(tables) {}

  std::string run(std::string_view text) {
    while (!text.empty()) {
      const CharactersMap::Match match = tables_.map.longest(text);
      if (match.length > 0) {
        add(match.replacement);
        text.remove_prefix(match.length);
        continue;
      }
      const Utf8Step step = utf8_step(text);
      add(step.kind == Utf8Kind::character ? text.substr(0, step.length) : kReplacementCharacter);
      text.remove_prefix(step.length);
    }
    return std::move(out_);
  }

 private:
  void add(std::string_view bytes) {
    for (const char c : bytes) {
      if (c == ' ') {
        in_word_ = false;
        if (!tables_.merge_spaces) out_ += kMetaspace;
        continue;
      }
      if (!in_word_ && (tables_.merge_spaces || (tables_.space_prefix && !prefixed_))) {
        out_ += kMetaspace;
        prefixed_ = true;
      }
      in_word_ = true;
      out_ += c;
    }
  }

  const Tables& tables_;
  std::string out_;
  bool in_word_ = false, prefixed_ = false;
};

class UnigramEncoder final : public Encoder {
 public:
  explicit UnigramEncoder(std::shared_ptr<const Tables> tables) : tables_(std::move(tables)) {}

  void encode(std::string_view stretch, std::vector<int32_t>& ids) override {
    const std::string text = Normalizer(*tables_).run(stretch);
    for (const UnigramModel::Piece& piece : tables_->model.segment(text, true)) {
      if (piece.id >= 0) {
        ids.push_back(piece.id);
      } else if (tables_->byte_fallback) {
        for (size_t i = piece.begin; i < piece.end; ++i) {
          ids.push_back(tables_->byte_token[static_cast<uint8_t>(text[i])]);
        }
      } else {
        lost_ += piece.end - piece.begin;
        if (tables_->unknown >= 0) ids.push_back(tables_->unknown);
      }
    }
  }

  uint64_t lost_bytes() const override { return lost_; }

 private:
  std::shared_ptr<const Tables> tables_;
  uint64_t lost_ = 0;
};

class Unigram final : public Model {
 public:
  explicit Unigram(std::shared_ptr<const Tables> tables) : tables_(std::move(tables)) {}

  std::unique_ptr<Encoder> encoder() const override { return std::make_unique<UnigramEncoder>(tables_); }

  std::string bytes_of(std::string_view token, TokenType type) const override {
    const int byte = type == TokenType::byte ? byte_of_token(token) : -1;
    return byte >= 0 ? std::string(1, static_cast<char>(byte)) : replace_all(token, kMetaspace, " ");
  }

  bool prefixes_space() const override { return tables_->space_prefix || tables_->merge_spaces; }
  bool adds_eos() const override { return true; }

 private:
  std::shared_ptr<const Tables> tables_;
};

Status read_map(const Metadata& metadata, Tables& tables) {
  constexpr const char* kMap = "tokenizer.ggml.precompiled_charsmap";
  LOWBIT_ASSIGN(const auto bytes, metadata.integers(kMap, -128, 255));
  if (!bytes) return {};
  std::string map;
  for (const int64_t byte : *bytes) map += static_cast<char>(byte);
  auto parsed = CharactersMap::parse(map);
  if (!parsed.ok()) return metadata.error(kMap, "does not fit: " + parsed.message());
  tables.map = std::move(parsed).value();
  return {};
}

}  // namespace

Result<std::shared_ptr<const Model>> make_unigram(const Metadata& metadata, const Vocabulary& vocabulary) {
  auto tables = std::make_shared<Tables>();
  LOWBIT_ASSIGN(const auto scores, metadata.scores(vocabulary.tokens.size()));
  LOWBIT_TRY(read_map(metadata, *tables));
  LOWBIT_ASSIGN(const auto prefix, metadata.boolean("tokenizer.ggml.add_space_prefix"));
  LOWBIT_ASSIGN(const auto merge, metadata.boolean("tokenizer.ggml.remove_extra_whitespaces"));
  tables->space_prefix = prefix.value_or(false);
  tables->merge_spaces = merge.value_or(false);
  tables->unknown = vocabulary.unknown;
  tables->byte_token.fill(-1);
  std::vector<std::pair<std::string, int32_t>> tokens;
  double least = 0;
  for (size_t i = 0; i < vocabulary.tokens.size(); ++i) {
    const TokenType type = vocabulary.types[i];
    const int byte = type == TokenType::byte ? byte_of_token(vocabulary.tokens[i]) : -1;
    if (byte >= 0) tables->byte_token[byte] = static_cast<int32_t>(i);
    if (type != TokenType::normal && type != TokenType::unused) continue;
    if (type == TokenType::normal) least = std::min(least, double{scores[i]});
    tokens.emplace_back(vocabulary.tokens[i], static_cast<int32_t>(i));
  }
  const auto& bytes = tables->byte_token;
  tables->byte_fallback = std::none_of(bytes.begin(), bytes.end(), [](int32_t id) { return id < 0; });
  tables->model = UnigramModel(std::move(tokens), std::vector<double>(scores.begin(), scores.end()), least);
  return std::shared_ptr<const Model>(std::make_shared<Unigram>(std::move(tables)));
}

}  // namespace lowbit::text

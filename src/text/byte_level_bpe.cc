#include "text/byte_level_bpe.h"

#include <array>
#include <optional>
#include <unordered_map>

#include "text/byte_alphabet.h"
#include "text/merger.h"
#include "text/pre_tokenizer.h"

namespace lowbit::text {
namespace {

constexpr const char* kMerges = "tokenizer.ggml.merges";
constexpr const char* kPre = "tokenizer.ggml.pre";

// A symbol is a token's id, or, for strings of bytes without a token, the number of tokens plus an index.
struct Tables {
  int32_t token_count = 0;
  int32_t unknown = -1;  // emitted for a byte without a token; -1: nothing is
  std::array<int32_t, 256> byte_symbol{};
  std::vector<std::string> tokenless;  // bytes of the symbols without a token
  PairMerges merges;
  bool whole_words = false;                        // a piece that is a token stays whole
  std::unordered_map<std::string, int32_t> words;  // the tokens, where whole_words asks for them
  PreTokenizer pre_tokenizer;

  bool is_token(int32_t symbol) const { return symbol < token_count; }
};

class BpeEncoder final : public Encoder {
 public:
  explicit BpeEncoder(std::shared_ptr<const Tables> tables)
      : tables_(std::move(tables)), splitter_(tables_->pre_tokenizer), merger_(FindPair{&tables_->merges}) {}

  void encode(std::string_view stretch, std::vector<int32_t>& ids) override {
    for (const std::string_view piece : splitter_.split(stretch)) encode_piece(piece, ids);
  }

  uint64_t lost_bytes() const override { return lost_; }

 private:
  // Bounds of the memory of seen pieces; text repeats itself in short pieces.
  static constexpr size_t kMaxSeenBytes = 32, kMaxSeen = 1 << 16;

  void encode_piece(std::string_view piece, std::vector<int32_t>& ids) {
    if (piece.size() == 1) return emit(tables_->byte_symbol[static_cast<uint8_t>(piece[0])], ids);
    if (piece.size() > kMaxSeenBytes) return emit_all(merge(piece), ids);
    key_.assign(piece);
    auto seen = seen_.find(key_);
    if (seen == seen_.end()) {
      if (seen_.size() >= kMaxSeen) seen_.clear();
      seen = seen_.emplace(key_, merge(piece)).first;
    }
    emit_all(seen->second, ids);
  }

  const std::vector<int32_t>& merge(std::string_view piece) {
    symbols_.clear();
    if (tables_->whole_words) {
      const auto word = tables_->words.find(std::string(piece));
      if (word != tables_->words.end()) return symbols_ = {word->second};
    }
    merger_.clear();
    for (const char c : piece) merger_.add(tables_->byte_symbol[static_cast<uint8_t>(c)], 1);
    merger_.run([&](const MergeNode& node) { symbols_.push_back(node.symbol); });
    return symbols_;
  }

  void emit_all(const std::vector<int32_t>& symbols, std::vector<int32_t>& ids) {
    for (const int32_t symbol : symbols) emit(symbol, ids);
  }

  void emit(int32_t symbol, std::vector<int32_t>& ids) {
    if (tables_->is_token(symbol)) {
      ids.push_back(symbol);
      return;
    }
    for (const char c : tables_->tokenless[symbol - tables_->token_count]) {
      const int32_t byte = tables_->byte_symbol[static_cast<uint8_t>(c)];
      if (tables_->is_token(byte)) {
        ids.push_back(byte);
        continue;
      }
      ++lost_;
      if (tables_->unknown >= 0) ids.push_back(tables_->unknown);
    }
  }

  std::shared_ptr<const Tables> tables_;
  PreTokenizer::Splitter splitter_;
  PairMerger merger_;
  std::unordered_map<std::string, std::vector<int32_t>> seen_;
  std::string key_;
  std::vector<int32_t> symbols_;
  uint64_t lost_ = 0;
};

class ByteLevelBpe final : public Model {
 public:
  explicit ByteLevelBpe(std::shared_ptr<const Tables> tables) : tables_(std::move(tables)) {}

  std::unique_ptr<Encoder> encoder() const override { return std::make_unique<BpeEncoder>(tables_); }

  std::string bytes_of(std::string_view token, TokenType) const override {
    // A token that the alphabet cannot spell (padding, for example) stands for its own text.
    return ByteAlphabet::get().decode(token).value_or(std::string(token));
  }

  bool adds_bos() const override { return tables_->pre_tokenizer.traits().adds_bos; }

 private:
  std::shared_ptr<const Tables> tables_;
};

// Gives every string of bytes a symbol.
class SymbolTable {
 public:
  SymbolTable(const Vocabulary& vocabulary, Tables& tables) : tables_(tables) {
    tables_.token_count = static_cast<int32_t>(vocabulary.tokens.size());
    symbol_of_.reserve(vocabulary.tokens.size());
    for (size_t id = 0; id < vocabulary.tokens.size(); ++id) {
      const TokenType type = vocabulary.types[id];
      // Merges must not be able to spell a control token; user-defined ones are matched before.
      if (type != TokenType::normal && type != TokenType::byte) continue;
      auto bytes = ByteAlphabet::get().decode(vocabulary.tokens[id]);
      if (bytes && !bytes->empty()) symbol_of_.emplace(std::move(*bytes), static_cast<int32_t>(id));
    }
  }

  // The symbols that are tokens, by their bytes.
  std::unordered_map<std::string, int32_t> tokens() const { return symbol_of_; }

  // Empty where the symbols exceed 2^31.
  std::optional<int32_t> symbol(std::string bytes) {
    const auto found = symbol_of_.find(bytes);
    if (found != symbol_of_.end()) return found->second;
    const int64_t made = int64_t{tables_.token_count} + static_cast<int64_t>(tables_.tokenless.size());
    if (made > INT32_MAX) return std::nullopt;
    tables_.tokenless.push_back(bytes);
    symbol_of_.emplace(std::move(bytes), static_cast<int32_t>(made));
    return static_cast<int32_t>(made);
  }

 private:
  Tables& tables_;
  std::unordered_map<std::string, int32_t> symbol_of_;
};

Status read_merges(const Metadata& metadata, SymbolTable& symbols, Tables& tables) {
  LOWBIT_ASSIGN(const auto merges, metadata.strings(kMerges));
  if (!merges) return metadata.error(kMerges, "is absent, expected the merges of byte-level BPE");
  if (merges->size() > static_cast<size_t>(INT32_MAX)) return metadata.error(kMerges, "has more than 2^31 items");
  const ByteAlphabet& alphabet = ByteAlphabet::get();
  tables.merges.reserve(merges->size());
  for (size_t rank = 0; rank < merges->size(); ++rank) {
    const std::string_view merge = (*merges)[rank];
    const size_t blank = merge.find(' ');
    if (blank == 0 || blank == merge.npos || blank + 1 == merge.size() || merge.find(' ', blank + 1) != merge.npos) {
      return metadata.error(kMerges, fmt::format("has {} at index {}, expected two strings with one blank between",
                                                 quote_text(merge), rank));
    }
    const auto left = alphabet.decode(merge.substr(0, blank));
    const auto right = alphabet.decode(merge.substr(blank + 1));
    if (!left || !right) continue;  // no text can contain it
    const auto a = symbols.symbol(*left), b = symbols.symbol(*right), whole = symbols.symbol(*left + *right);
    if (!a || !b || !whole) return metadata.error(kMerges, "makes more than 2^31 symbols");
    tables.merges.emplace(pair_key(*a, *b),
                          PairMerge{static_cast<int32_t>(rank), *whole});  // of equals the first counts
  }
  return {};
}

}  // namespace

Result<std::shared_ptr<const Model>> make_byte_level_bpe(const Metadata& metadata, const Vocabulary& vocabulary) {
  LOWBIT_ASSIGN(const auto pre, metadata.string(kPre));
  auto pre_tokenizer = PreTokenizer::find(pre.value_or("default"));
  if (!pre_tokenizer) return metadata.error(kPre, pre_tokenizer.message());
  auto tables = std::make_shared<Tables>();
  tables->pre_tokenizer = std::move(pre_tokenizer).value();
  SymbolTable symbols(vocabulary, *tables);
  tables->whole_words = tables->pre_tokenizer.traits().whole_words;
  if (tables->whole_words) tables->words = symbols.tokens();
  for (int byte = 0; byte < 256; ++byte) {
    tables->byte_symbol[byte] = symbols.symbol(std::string(1, static_cast<char>(byte))).value_or(0);
  }
  LOWBIT_TRY(read_merges(metadata, symbols, *tables));
  // Files of this kind name <|endoftext|> here, a control token: that one must not appear in a text.
  if (vocabulary.unknown >= 0 && vocabulary.types[vocabulary.unknown] == TokenType::unknown) {
    tables->unknown = vocabulary.unknown;
  }
  return std::shared_ptr<const Model>(std::make_shared<ByteLevelBpe>(std::move(tables)));
}

}  // namespace lowbit::text

#include "text/byte_level_bpe.h"

#include <algorithm>
#include <array>
#include <deque>
#include <optional>
#include <unordered_map>

#include "text/pre_tokenizer.h"
#include "text/utf8.h"

namespace lowbit::text {
namespace {

constexpr const char* kMerges = "tokenizer.ggml.merges";
constexpr const char* kPre = "tokenizer.ggml.pre";

// Files write each byte as a visible character: printable Latin-1 bytes as themselves, the other 68 as U+0100 upwards
// in ascending order.
class ByteAlphabet {
 public:
  static const ByteAlphabet& get() {
    static const ByteAlphabet alphabet;
    return alphabet;
  }

  // The bytes that a string of the file spells; empty optional where a character stands for no byte.
  std::optional<std::string> decode(std::string_view written) const {
    std::string bytes;
    while (!written.empty()) {
      const Utf8Step step = utf8_step(written);
      const uint32_t code = step.kind == Utf8Kind::character ? code_point(written.substr(0, step.length)) : kNone;
      if (code >= byte_of_.size() || byte_of_[code] < 0) return std::nullopt;
      bytes += static_cast<char>(byte_of_[code]);
      written.remove_prefix(step.length);
    }
    return bytes;
  }

 private:
  static constexpr uint32_t kNone = ~0u;
  std::array<int16_t, 256 + 68> byte_of_;  // by code point; -1: stands for no byte

  ByteAlphabet() {
    byte_of_.fill(-1);
    uint32_t next = 256;
    for (int byte = 0; byte < 256; ++byte) {
      const bool printable = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
      byte_of_[printable ? static_cast<uint32_t>(byte) : next++] = static_cast<int16_t>(byte);
    }
  }

  // Of a well-formed character; only one or two bytes matter here.
  static uint32_t code_point(std::string_view character) {
    const auto at = [&](size_t i) { return static_cast<uint8_t>(character[i]); };
    if (character.size() == 1) return at(0);
    if (character.size() == 2) return (at(0) & 0x1Fu) << 6 | (at(1) & 0x3Fu);
    return kNone;
  }
};

uint64_t pair_key(int32_t left, int32_t right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

struct PairHash {
  size_t operator()(uint64_t key) const {
    key *= 0x9E3779B97F4A7C15u;
    return key ^ key >> 29;
  }
};

struct Merge {
  int32_t rank;
  int32_t symbol;  // what the pair becomes
};

// A symbol is a token's id, or, for strings of bytes without a token, the number of tokens plus an index.
struct Tables {
  int32_t token_count = 0;
  int32_t unknown = -1;  // emitted for a byte without a token; -1: nothing is
  std::array<int32_t, 256> byte_symbol{};
  std::vector<std::string> tokenless;  // bytes of the symbols without a token
  std::unordered_map<uint64_t, Merge, PairHash> merges;
  PreTokenizer pre_tokenizer;

  bool is_token(int32_t symbol) const { return symbol < token_count; }
};

// Merges one piece: the pair of the lowest rank first, the leftmost of equals, with a heap: O(n log n).
class Merger {
 public:
  explicit Merger(const Tables& tables) : tables_(tables) {}

  // Appends the symbols that the piece ends as.
  void run(std::string_view piece, std::vector<int32_t>& out) {
    nodes_.clear();
    heap_.clear();
    for (size_t i = 0; i < piece.size(); ++i) {
      nodes_.push_back({tables_.byte_symbol[static_cast<uint8_t>(piece[i])], i, i + 1});
    }
    for (size_t i = 0; i < nodes_.size(); ++i) {
      nodes_[i].previous = i == 0 ? kEnd : i - 1;
      if (i + 1 == nodes_.size()) nodes_[i].next = kEnd;
    }
    for (size_t i = 0; i + 1 < nodes_.size(); ++i) push(i);
    while (!heap_.empty()) {
      std::pop_heap(heap_.begin(), heap_.end(), later);
      const Candidate best = heap_.back();
      heap_.pop_back();
      apply(best);
    }
    for (size_t i = 0; i != kEnd; i = nodes_[i].next) out.push_back(nodes_[i].symbol);
  }

 private:
  static constexpr size_t kEnd = ~size_t{0};
  static constexpr int32_t kGone = -1;  // symbol of a node merged into its left neighbour
  struct Node {
    int32_t symbol;
    size_t previous, next;
  };
  struct Candidate {
    int32_t rank;
    int32_t symbol;
    int32_t left, right;  // symbols of the pair when it was found
    size_t at;
  };

  static bool later(const Candidate& a, const Candidate& b) {
    return a.rank != b.rank ? a.rank > b.rank : a.at > b.at;
  }

  void push(size_t at) {
    const size_t next = nodes_[at].next;
    if (next == kEnd) return;
    const auto found = tables_.merges.find(pair_key(nodes_[at].symbol, nodes_[next].symbol));
    if (found == tables_.merges.end()) return;
    heap_.push_back({found->second.rank, found->second.symbol, nodes_[at].symbol, nodes_[next].symbol, at});
    std::push_heap(heap_.begin(), heap_.end(), later);
  }

  void apply(const Candidate& best) {
    Node& left = nodes_[best.at];
    if (left.symbol != best.left || left.next == kEnd || nodes_[left.next].symbol != best.right) return;  // outdated
    Node& right = nodes_[left.next];
    left.symbol = best.symbol;
    left.next = right.next;
    right.symbol = kGone;
    if (left.next != kEnd) nodes_[left.next].previous = best.at;
    push(best.at);
    if (left.previous != kEnd) push(left.previous);
  }

  const Tables& tables_;
  std::vector<Node> nodes_;
  std::vector<Candidate> heap_;
};

class BpeEncoder final : public Encoder {
 public:
  explicit BpeEncoder(std::shared_ptr<const Tables> tables)
      : tables_(std::move(tables)), splitter_(tables_->pre_tokenizer), merger_(*tables_) {}

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
    merger_.run(piece, symbols_);
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
  Merger merger_;
  std::unordered_map<std::string, std::vector<int32_t>> seen_;
  std::string key_;
  std::vector<int32_t> symbols_;
  uint64_t lost_ = 0;
};

class ByteLevelBpe final : public Model {
 public:
  explicit ByteLevelBpe(std::shared_ptr<const Tables> tables) : tables_(std::move(tables)) {}

  std::unique_ptr<Encoder> encoder() const override { return std::make_unique<BpeEncoder>(tables_); }

  std::string bytes_of(std::string_view token) const override {
    // A token that the alphabet cannot spell (padding, for example) stands for its own text.
    return ByteAlphabet::get().decode(token).value_or(std::string(token));
  }

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
    tables.merges.emplace(pair_key(*a, *b), Merge{static_cast<int32_t>(rank), *whole});  // of equals the first counts
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

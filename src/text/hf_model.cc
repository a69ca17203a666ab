#include "text/hf_model.h"

#include <algorithm>
#include <array>

#include "text/merger.h"
#include "text/spelling.h"
#include "text/unicode.h"
#include "text/viterbi.h"
#include "text/word_piece.h"

namespace lowbit::text {
namespace {

using Vocabulary = std::unordered_map<std::string, int32_t>;
using Control = std::unordered_set<std::string>;

// An Encoder over a function of the model: encode(piece, ids) gives the number of lost bytes.
template <class Run>
class RunEncoder final : public Encoder {
 public:
  explicit RunEncoder(Run run) : run_(std::move(run)) {}
  void encode(std::string_view piece, std::vector<int32_t>& ids) override { lost_ += run_(piece, ids); }
  uint64_t lost_bytes() const override { return lost_; }

 private:
  Run run_;
  uint64_t lost_ = 0;
};

template <class Run>
std::unique_ptr<Encoder> make_encoder(Run run) {
  return std::make_unique<RunEncoder<Run>>(std::move(run));
}

int32_t find(const Vocabulary& vocabulary, const std::string& token) {
  const auto found = vocabulary.find(token);
  return found == vocabulary.end() ? -1 : found->second;
}

// The tokens of all bytes; those without one are -1.
std::array<int32_t, 256> byte_tokens(const Vocabulary& vocabulary) {
  std::array<int32_t, 256> out{};
  for (int byte = 0; byte < 256; ++byte) out[byte] = find(vocabulary, byte_token(static_cast<uint8_t>(byte)));
  return out;
}

Result<Vocabulary> read_vocabulary(const JsonReader& json) {
  LOWBIT_ASSIGN(const JsonReader list, json.required("vocab"));
  LOWBIT_ASSIGN(const auto members, list.members());
  Vocabulary out;
  out.reserve(members.size());
  for (const auto& [token, value] : members) {
    LOWBIT_ASSIGN(const int64_t id, value.integer(0, kMaxTokenId));
    out.emplace(token, static_cast<int32_t>(id));
  }
  return out;
}

// ---- BPE

class HfBpe final : public HfModel {
 public:
  PairMerges merges;
  Vocabulary symbols;  // characters and words that a text may spell
  std::array<int32_t, 256> bytes{};
  int32_t unknown = -1;
  bool byte_fallback = false, whole_words = false, fuse_unknown = false;
  std::string prefix, suffix;

  std::unique_ptr<Encoder> encoder() const override {
    return make_encoder(
        [this, merger = PairMerger(FindPair{&merges})](std::string_view piece, std::vector<int32_t>& ids) mutable {
          return run(piece, merger, ids);
        });
  }

 private:
  uint64_t run(std::string_view piece, PairMerger& merger, std::vector<int32_t>& ids) const {
    if (whole_words) {
      const int32_t word = find(symbols, std::string(piece));
      if (word >= 0) {
        ids.push_back(word);
        return 0;
      }
    }
    merger.clear();
    uint64_t lost = 0;
    size_t unknown_bytes = 0;  // of characters in a row that wait for their unknown token
    const auto flush = [&] {
      if (unknown_bytes > 0) merger.add(unknown, unknown_bytes);
      unknown_bytes = 0;
    };
    for (size_t at = 0; at < piece.size();) {
      const size_t length = char_length(piece[at]);
      const std::string_view character = piece.substr(at, length);
      std::string token(character);
      if (at > 0) token.insert(0, prefix);
      at += length;
      if (at == piece.size()) token += suffix;
      const int32_t symbol = find(symbols, token);
      if (symbol >= 0) {
        flush();
        merger.add(symbol, length);
      } else if (byte_fallback && has_bytes(character)) {
        flush();
        for (const char c : character) merger.add(bytes[static_cast<uint8_t>(c)], 1);
      } else {
        lost += length;
        if (unknown < 0) continue;
        if (!fuse_unknown) flush();
        unknown_bytes += length;
      }
    }
    flush();
    merger.run([&](const MergeNode& node) { ids.push_back(node.symbol); });
    return lost;
  }

  bool has_bytes(std::string_view character) const {
    return std::all_of(character.begin(), character.end(),
                       [&](char c) { return bytes[static_cast<uint8_t>(c)] >= 0; });
  }
};

// "a b" or ["a", "b"].
Result<std::pair<std::string, std::string>> read_pair(const JsonReader& merge) {
  if (merge.is_array()) {
    LOWBIT_ASSIGN(const auto items, merge.items());
    if (items.size() != 2) return merge.expected("two strings");
    LOWBIT_ASSIGN(std::string left, items[0].string());
    LOWBIT_ASSIGN(std::string right, items[1].string());
    return std::make_pair(std::move(left), std::move(right));
  }
  LOWBIT_ASSIGN(const std::string text, merge.string());
  const size_t blank = text.find(' ');
  if (blank == text.npos || text.find(' ', blank + 1) != text.npos) {
    return merge.expected("two strings with one blank between");
  }
  return std::make_pair(text.substr(0, blank), text.substr(blank + 1));
}

Status read_merges(const JsonReader& json, const Vocabulary& vocabulary, const Control& control, HfBpe& out) {
  LOWBIT_ASSIGN(const JsonReader list, json.required("merges"));
  LOWBIT_ASSIGN(const auto merges, list.items());
  out.merges.reserve(merges.size());
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    LOWBIT_ASSIGN(const auto pair, read_pair(merges[rank]));
    const auto& [left, right] = pair;
    const size_t skip = right.compare(0, out.prefix.size(), out.prefix) == 0 ? out.prefix.size() : 0;
    const std::string whole = left + right.substr(skip);
    const int32_t a = find(vocabulary, left), b = find(vocabulary, right), made = find(vocabulary, whole);
    if (a < 0 || b < 0 || made < 0) return merges[rank].expected("tokens of \"model.vocab\", alone and together");
    if (control.contains(whole)) continue;
    // Of equals the last counts, as in the package.
    out.merges.insert_or_assign(pair_key(a, b), PairMerge{static_cast<int32_t>(rank), made});
  }
  return {};
}

Result<HfModelParts> read_bpe(const JsonReader& json, const Control& control) {
  HfModelParts parts;
  auto model = std::make_shared<HfBpe>();
  LOWBIT_ASSIGN(parts.vocabulary, read_vocabulary(json));
  LOWBIT_ASSIGN(const std::string unknown, json.string("unk_token", ""));
  LOWBIT_ASSIGN(model->prefix, json.string("continuing_subword_prefix", ""));
  LOWBIT_ASSIGN(model->suffix, json.string("end_of_word_suffix", ""));
  LOWBIT_ASSIGN(model->byte_fallback, json.boolean("byte_fallback", false));
  LOWBIT_ASSIGN(model->whole_words, json.boolean("ignore_merges", false));
  LOWBIT_ASSIGN(model->fuse_unknown, json.boolean("fuse_unk", false));
  if (!unknown.empty()) parts.unknown = find(parts.vocabulary, unknown);
  model->unknown = parts.unknown;
  model->bytes = byte_tokens(parts.vocabulary);
  LOWBIT_TRY(read_merges(json, parts.vocabulary, control, *model));
  model->symbols = parts.vocabulary;
  for (const std::string& name : control) model->symbols.erase(name);
  parts.model = std::move(model);
  return parts;
}

// ---- Unigram

class HfUnigram final : public HfModel {
 public:
  UnigramModel model;
  std::array<int32_t, 256> bytes{};
  int32_t unknown = -1;
  bool byte_fallback = false;

  std::unique_ptr<Encoder> encoder() const override {
    return make_encoder([this](std::string_view piece, std::vector<int32_t>& ids) { return run(piece, ids); });
  }

 private:
  uint64_t run(std::string_view text, std::vector<int32_t>& ids) const {
    uint64_t lost = 0;
    for (const UnigramModel::Piece& piece : model.segment(text, true)) {
      const std::string_view part = text.substr(piece.begin, piece.end - piece.begin);
      const bool fits =
          std::all_of(part.begin(), part.end(), [&](char c) { return bytes[static_cast<uint8_t>(c)] >= 0; });
      if (piece.id >= 0) {
        ids.push_back(piece.id);
      } else if (byte_fallback && fits) {
        for (const char c : part) ids.push_back(bytes[static_cast<uint8_t>(c)]);
      } else {
        lost += part.size();
        if (unknown >= 0) ids.push_back(unknown);
      }
    }
    return lost;
  }
};

Result<HfModelParts> read_unigram(const JsonReader& json, const Control& control) {
  HfModelParts parts;
  auto model = std::make_shared<HfUnigram>();
  LOWBIT_ASSIGN(const JsonReader list, json.required("vocab"));
  LOWBIT_ASSIGN(const auto items, list.items());
  if (items.size() > static_cast<size_t>(kMaxTokenId)) return list.expected("fewer tokens");
  std::vector<std::pair<std::string, int32_t>> tokens;
  std::vector<double> scores;
  double least = 0;
  for (const JsonReader& item : items) {
    LOWBIT_ASSIGN(const auto pair, item.items());
    if (pair.size() != 2) return item.expected("a token and its score");
    LOWBIT_ASSIGN(std::string token, pair[0].string());
    LOWBIT_ASSIGN(const double score, pair[1].number());
    const int32_t id = static_cast<int32_t>(scores.size());
    scores.push_back(score);
    least = scores.size() == 1 ? score : std::min(least, score);
    parts.vocabulary.emplace(token, id);
    if (!control.contains(token)) tokens.emplace_back(std::move(token), id);
  }
  LOWBIT_ASSIGN(const JsonReader unknown, json.member("unk_id"));
  if (!unknown.is_null()) {
    LOWBIT_ASSIGN(const int64_t id, unknown.integer(0, static_cast<int64_t>(scores.size()) - 1));
    parts.unknown = static_cast<int32_t>(id);
  }
  LOWBIT_ASSIGN(model->byte_fallback, json.boolean("byte_fallback", false));
  model->unknown = parts.unknown;
  model->bytes = byte_tokens(parts.vocabulary);
  model->model = UnigramModel(std::move(tokens), std::move(scores), least);
  parts.model = std::move(model);
  return parts;
}

// ---- WordPiece and WordLevel

class HfWords final : public HfModel {
 public:
  WordPieceTable table;
  Vocabulary words;    // of WordLevel
  bool whole = false;  // WordLevel
  size_t longest = kMaxWordPieceCharacters;
  int32_t unknown = -1;

  std::unique_ptr<Encoder> encoder() const override {
    return make_encoder([this](std::string_view piece, std::vector<int32_t>& ids) -> uint64_t {
      if (run(piece, ids)) return 0;
      if (unknown >= 0) ids.push_back(unknown);
      return piece.size();
    });
  }

 private:
  bool run(std::string_view piece, std::vector<int32_t>& ids) const {
    if (whole) {
      const int32_t word = find(words, std::string(piece));
      if (word >= 0) ids.push_back(word);
      return word >= 0;
    }
    const auto count =
        std::count_if(piece.begin(), piece.end(), [](char c) { return (static_cast<uint8_t>(c) & 0xC0) != 0x80; });
    return static_cast<size_t>(count) <= longest && table.cut(piece, ids);
  }
};

Result<HfModelParts> read_word_piece(const JsonReader& json, const Control& control) {
  HfModelParts parts;
  auto model = std::make_shared<HfWords>();
  LOWBIT_ASSIGN(parts.vocabulary, read_vocabulary(json));
  LOWBIT_ASSIGN(const std::string unknown, json.string("unk_token", "[UNK]"));
  LOWBIT_ASSIGN(const std::string prefix, json.string("continuing_subword_prefix", "##"));
  LOWBIT_ASSIGN(const JsonReader longest, json.member("max_input_chars_per_word"));
  if (!longest.is_null()) {
    LOWBIT_ASSIGN(const int64_t characters, longest.integer(0, 1 << 20));
    model->longest = static_cast<size_t>(characters);
  }
  parts.unknown = model->unknown = find(parts.vocabulary, unknown);
  WordPieceTable::Tokens begins, continues;
  for (const auto& [token, id] : parts.vocabulary) {
    if (control.contains(token)) continue;
    begins.emplace_back(token, id);
    if (token.compare(0, prefix.size(), prefix) == 0) continues.emplace_back(token.substr(prefix.size()), id);
  }
  model->table = WordPieceTable(std::move(begins), std::move(continues));
  parts.model = std::move(model);
  return parts;
}

Result<HfModelParts> read_word_level(const JsonReader& json, const Control& control) {
  HfModelParts parts;
  auto model = std::make_shared<HfWords>();
  LOWBIT_ASSIGN(parts.vocabulary, read_vocabulary(json));
  LOWBIT_ASSIGN(const std::string unknown, json.string("unk_token", "<unk>"));
  parts.unknown = model->unknown = find(parts.vocabulary, unknown);
  model->whole = true;
  model->words = parts.vocabulary;
  for (const std::string& name : control) model->words.erase(name);
  parts.model = std::move(model);
  return parts;
}

struct Row {
  std::string_view type;
  Result<HfModelParts> (*read)(const JsonReader&, const Control&);
};

constexpr Row kRows[] = {
    {"BPE", read_bpe}, {"Unigram", read_unigram}, {"WordPiece", read_word_piece}, {"WordLevel", read_word_level}};

// Old files do not name the type.
Result<std::string> type_of(const JsonReader& json) {
  LOWBIT_ASSIGN(const std::string type, json.string("type", ""));
  if (!type.empty()) return type;
  LOWBIT_ASSIGN(const JsonReader merges, json.member("merges"));
  LOWBIT_ASSIGN(const JsonReader longest, json.member("max_input_chars_per_word"));
  LOWBIT_ASSIGN(const JsonReader vocabulary, json.member("vocab"));
  if (!merges.is_null()) return std::string("BPE");
  if (vocabulary.is_array()) return std::string("Unigram");
  return std::string(longest.is_null() ? "WordLevel" : "WordPiece");
}

}  // namespace

Result<HfModelParts> read_hf_model(const JsonReader& json, const Control& control) {
  LOWBIT_ASSIGN(const std::string type, type_of(json));
  std::string known;
  for (const Row& row : kRows) {
    known.append(known.empty() ? "" : ", ").append(row.type);
    if (row.type != type) continue;
    LOWBIT_ASSIGN(HfModelParts parts, row.read(json, control));
    parts.type = type;
    return parts;
  }
  LOWBIT_ASSIGN(const JsonReader name, json.required("type"));
  return name.expected("one of " + known);
}

}  // namespace lowbit::text

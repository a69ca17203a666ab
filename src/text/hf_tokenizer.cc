#include "text/hf_tokenizer.h"

#include <algorithm>
#include <unordered_map>

#include "text/added_tokens.h"
#include "text/hf_decoder.h"
#include "text/hf_model.h"
#include "text/hf_normalizer.h"
#include "text/hf_post_processor.h"
#include "text/hf_pre_tokenizer.h"
#include "text/utf8.h"

namespace lowbit::text {
namespace {

// One call of encode(): the model's scratch memory and what it has seen.
class PieceMemory {
 public:
  explicit PieceMemory(const HfModel& model) : encoder_(model.encoder()) {}

  void encode(const std::string& piece, std::vector<int32_t>& ids) {
    if (piece.size() > kMaxSeenBytes) return encoder_->encode(piece, ids);
    auto seen = seen_.find(piece);
    if (seen == seen_.end()) {
      if (seen_.size() >= kMaxSeen) seen_.clear();
      const uint64_t lost = encoder_->lost_bytes();
      Seen fresh;
      encoder_->encode(piece, fresh.ids);
      fresh.lost = encoder_->lost_bytes() - lost;
      seen = seen_.emplace(piece, std::move(fresh)).first;
    } else {
      repeated_ += seen->second.lost;
    }
    ids.insert(ids.end(), seen->second.ids.begin(), seen->second.ids.end());
  }

  uint64_t lost_bytes() const { return encoder_->lost_bytes() + repeated_; }

 private:
  static constexpr size_t kMaxSeenBytes = 48, kMaxSeen = 1 << 16;
  struct Seen {
    std::vector<int32_t> ids;
    uint64_t lost = 0;
  };
  std::unique_ptr<Encoder> encoder_;
  std::unordered_map<std::string, Seen> seen_;
  uint64_t repeated_ = 0;
};

class HfCodec final : public Codec {
 public:
  HfNormalizer normalizer;
  HfPreTokenizer pre_tokenizer;
  AddedTokenFinder raw, normalized;  // tokens looked for in the text as it is, and as the normalizer leaves it
  std::shared_ptr<const HfModel> model;

  void encode(const CodecInput& in, std::vector<int32_t>& ids, uint64_t& lost) const override {
    PieceMemory memory(*model);
    const std::string whole = repair_utf8(in.text);
    for (const auto& part : raw.split(whole, in.parse_control, in.plain)) {
      if (part.id >= 0) {
        ids.push_back(part.id);
        continue;
      }
      const std::string stretch = normalizer.run(whole.substr(part.begin, part.end - part.begin));
      for (const auto& inner : normalized.split(stretch, in.parse_control && in.plain.empty())) {
        if (inner.id >= 0) {
          ids.push_back(inner.id);
          continue;
        }
        const bool begins = part.begin == 0 && inner.begin == 0;
        for (const HfPiece& piece :
             pre_tokenizer.run({{stretch.substr(inner.begin, inner.end - inner.begin), begins}})) {
          memory.encode(piece.text, ids);
        }
      }
    }
    lost = memory.lost_bytes();
  }
};

struct Document {
  HfModelParts parts;
  std::vector<AddedToken> added;
};

Result<Document> read_document(const JsonReader& json) {
  Document out;
  LOWBIT_ASSIGN(const JsonReader list, json.member("added_tokens"));
  LOWBIT_ASSIGN(out.added, read_added_tokens(list));
  std::unordered_set<std::string> control;
  for (const AddedToken& token : out.added) {
    if (token.special) control.insert(token.content);
  }
  LOWBIT_ASSIGN(const JsonReader model, json.required("model"));
  LOWBIT_ASSIGN(out.parts, read_hf_model(model, control));
  return out;
}

Vocabulary make_vocabulary(const Document& model) {
  Vocabulary out;
  int32_t last = -1;
  for (const auto& [token, id] : model.parts.vocabulary) last = std::max(last, id);
  for (const AddedToken& token : model.added) last = std::max(last, token.id);
  const size_t count = static_cast<size_t>(last) + 1;
  out.tokens.resize(count);
  out.types.assign(count, TokenType::unused);
  for (const auto& [token, id] : model.parts.vocabulary) {
    out.tokens[id] = token;
    out.types[id] = TokenType::normal;
  }
  for (const AddedToken& token : model.added) {
    out.tokens[token.id] = token.content;
    out.types[token.id] = token.special ? TokenType::control : TokenType::user_defined;
  }
  if (model.parts.unknown >= 0) out.types[model.parts.unknown] = TokenType::unknown;
  return out;
}

std::shared_ptr<HfCodec> make_codec(const Document& model, HfNormalizer normalizer, HfPreTokenizer pre_tokenizer) {
  auto codec = std::make_shared<HfCodec>();
  std::vector<AddedToken> raw, normalized;
  for (const AddedToken& token : model.added) {
    (token.normalized ? normalized : raw).push_back(token);
    if (token.normalized) normalized.back().content = normalizer.run(token.content);
  }
  codec->raw = AddedTokenFinder(raw);
  codec->normalized = AddedTokenFinder(normalized);
  codec->normalizer = std::move(normalizer);
  codec->pre_tokenizer = std::move(pre_tokenizer);
  codec->model = model.parts.model;
  return codec;
}

}  // namespace

Result<Vocabulary> read_hf_vocabulary(const JsonReader& json) {
  LOWBIT_ASSIGN(const Document model, read_document(json));
  return make_vocabulary(model);
}

Result<TokenizerParts> read_hf_tokenizer(const nlohmann::json& document, const Metadata& metadata) {
  const JsonReader json(document, metadata.source());
  LOWBIT_ASSIGN(const Document model, read_document(json));
  TokenizerParts parts;
  parts.vocabulary = make_vocabulary(model);
  if (parts.vocabulary.tokens.empty()) return json.error("has no tokens, expected at least one");
  LOWBIT_ASSIGN(const JsonReader normalizer, json.member("normalizer"));
  LOWBIT_ASSIGN(const JsonReader pre_tokenizer, json.member("pre_tokenizer"));
  LOWBIT_ASSIGN(const JsonReader decoder, json.member("decoder"));
  LOWBIT_ASSIGN(const JsonReader processor, json.member("post_processor"));
  LOWBIT_ASSIGN(HfNormalizer normalize, HfNormalizer::read(normalizer));
  LOWBIT_ASSIGN(HfPreTokenizer cut, HfPreTokenizer::read(pre_tokenizer));
  // The package decodes an added token as its normalizer leaves it.
  std::vector<std::string> names = parts.vocabulary.tokens;
  for (const AddedToken& token : model.added) {
    if (token.normalized) names[token.id] = normalize.run(token.content);
  }
  LOWBIT_ASSIGN(parts.detokenizer, make_hf_detokenizer(decoder, names));
  parts.codec = make_codec(model, std::move(normalize), std::move(cut));
  LOWBIT_ASSIGN(HfSurroundings around, read_hf_post_processor(processor, parts.vocabulary.tokens.size()));
  TokenDefaults defaults;
  if (!around.before.empty()) defaults.bos = around.before.front();
  LOWBIT_TRY(read_token_ids(metadata, defaults, parts.vocabulary));
  const Vocabulary& v = parts.vocabulary;
  parts.adds_bos = v.adds_bos.value_or(!around.before.empty()) && (v.bos >= 0 || !around.before.empty());
  parts.adds_eos = v.adds_eos.value_or(!around.after.empty()) && (v.eos >= 0 || !around.after.empty());
  if (around.before.empty() && v.bos >= 0) around.before = {v.bos};
  if (around.after.empty() && v.eos >= 0) around.after = {v.eos};
  parts.before = std::move(around.before);
  parts.after = std::move(around.after);
  return parts;
}

}  // namespace lowbit::text

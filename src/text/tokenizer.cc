#include "text/tokenizer.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "text/byte_level_bpe.h"
#include "text/hf_tokenizer.h"
#include "text/model.h"
#include "text/sentencepiece_bpe.h"
#include "text/special_tokens.h"
#include "text/tokenizer_parts.h"
#include "text/unigram.h"
#include "text/utf8.h"
#include "text/word_piece.h"

namespace lowbit::text {
namespace {

struct ModelRow {
  std::string_view name;
  ModelFactory make;
  TokenDefaults defaults;
};

constexpr ModelRow kModels[] = {
#define LOWBIT_TOKENIZER_MODEL(name, factory, bos, eos, unknown) {name, factory, {bos, eos, unknown}},
#include "text/models.inc"
#undef LOWBIT_TOKENIZER_MODEL
};

Result<const ModelRow*> find_model(const Metadata& metadata, std::string_view name) {
  std::string known;
  for (const ModelRow& row : kModels) {
    if (row.name == name) return &row;
    known.append(known.empty() ? "" : ", ").append(row.name);
  }
  return metadata.error("tokenizer.ggml.model", fmt::format("is {}, expected one of {}", quote_text(name), known));
}

// Splits a text at its special tokens and gives what lies between to a Model.
class ModelCodec final : public Codec {
 public:
  ModelCodec(const Vocabulary& vocabulary, std::shared_ptr<const Model> model)
      : specials_(vocabulary), model_(std::move(model)) {}

  void encode(const CodecInput& in, std::vector<int32_t>& ids, uint64_t& lost) const override {
    const std::string_view text = in.text;
    const auto encoder = model_->encoder();
    size_t done = 0;
    while (done < text.size()) {
      const SpecialTokens::Found found = specials_.find(text, done, in.parse_control, in.plain);
      encoder->encode(text.substr(done, found.at - done), ids);
      if (found.length > 0) ids.push_back(found.id);
      done = found.at + found.length;
    }
    lost = encoder->lost_bytes();
  }

 private:
  SpecialTokens specials_;
  std::shared_ptr<const Model> model_;
};

Detokenizer make_detokenizer(const Vocabulary& v, const Model& model) {
  Detokenizer out;
  out.pieces.reserve(v.tokens.size());
  for (size_t id = 0; id < v.tokens.size(); ++id) {
    const bool plain = v.types[id] == TokenType::normal || v.types[id] == TokenType::byte;
    out.pieces.push_back(plain ? model.bytes_of(v.tokens[id], v.types[id]) : v.tokens[id]);
  }
  out.lead = " ";
  out.lead_count = model.prefixes_space() ? 1 : 0;
  return out;
}

Result<TokenizerParts> read_ggml(const Metadata& reader, std::string_view name) {
  LOWBIT_ASSIGN(const ModelRow* row, find_model(reader, name));
  TokenizerParts parts;
  LOWBIT_ASSIGN(parts.vocabulary, read_vocabulary(reader, row->defaults));
  LOWBIT_ASSIGN(const auto model, row->make(reader, parts.vocabulary));
  Vocabulary& v = parts.vocabulary;
  parts.adds_bos = v.adds_bos.value_or(model->adds_bos()) && v.bos >= 0;
  parts.adds_eos = v.adds_eos.value_or(model->adds_eos()) && v.eos >= 0;
  if (v.bos >= 0) parts.before = {v.bos};
  if (v.eos >= 0) parts.after = {v.eos};
  parts.detokenizer = make_detokenizer(v, *model);
  parts.codec = std::make_shared<ModelCodec>(v, model);
  return parts;
}

}  // namespace

struct Tokenizer::State : TokenizerParts {
  explicit State(TokenizerParts parts) : TokenizerParts(std::move(parts)), specials(vocabulary) {}
  SpecialTokens specials;
};

Tokenizer::Tokenizer(TokenizerParts parts) : state_(std::make_shared<State>(std::move(parts))) {}

Result<Tokenizer> Tokenizer::from_metadata(const nlohmann::json& metadata, std::string_view source_name,
                                           std::string_view pre_tokenizer) {
  if (!pre_tokenizer.empty() && metadata.is_object()) {
    const auto kind = metadata.find("tokenizer.ggml.model");
    if (kind == metadata.end() || *kind != "gpt2") {
      return errorf(
          "{}: its tokenizer is no byte-level BPE of GGUF, the only kind with a pre-tokenizer to replace by {}",
          source_name, quote_text(pre_tokenizer));
    }
    nlohmann::json changed = metadata;
    changed["tokenizer.ggml.pre"] = pre_tokenizer;
    return from_metadata(changed, source_name);
  }
  constexpr const char* kModel = "tokenizer.ggml.model";
  const Metadata reader(metadata, source_name);
  LOWBIT_ASSIGN(const auto name, reader.string(kModel));
  if (name) {
    LOWBIT_ASSIGN(TokenizerParts parts, read_ggml(reader, *name));
    return Tokenizer(std::move(parts));
  }
  LOWBIT_ASSIGN(const auto json, reader.string(kHuggingFaceJson));
  if (!json) return reader.error(kModel, "is absent, so the file holds no tokenizer");
  LOWBIT_ASSIGN(const nlohmann::json document, parse_json(*json, source_name));
  LOWBIT_ASSIGN(TokenizerParts parts, read_hf_tokenizer(document, reader));
  return Tokenizer(std::move(parts));
}

Result<Tokenizer> Tokenizer::from_json(std::string_view text, std::string_view source_name) {
  LOWBIT_ASSIGN(const nlohmann::json document, parse_json(text, source_name));
  const nlohmann::json nothing = nlohmann::json::object();
  LOWBIT_ASSIGN(TokenizerParts parts, read_hf_tokenizer(document, Metadata(nothing, source_name)));
  return Tokenizer(std::move(parts));
}

std::vector<int32_t> Tokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  const State& s = *state_;
  std::vector<int32_t> ids;
  if (options.add_bos) ids = s.before;
  uint64_t lost = 0;
  s.codec->encode({text, options.parse_control, options.plain}, ids, lost);
  if (options.add_eos) ids.insert(ids.end(), s.after.begin(), s.after.end());
  if (options.lost_bytes != nullptr) *options.lost_bytes = lost;
  return ids;
}

std::vector<TextRange> Tokenizer::control_names(std::string_view text) const {
  std::vector<TextRange> names;
  for (size_t done = 0; done < text.size();) {
    const SpecialTokens::Found found = state_->specials.find(text, done, true);
    done = found.at + found.length;
    if (found.length > 0 && is_control(found.id)) names.push_back({found.at, done});
  }
  return names;
}

std::string_view Tokenizer::token_bytes(int32_t id) const {
  return id >= 0 && id < size() ? std::string_view(state_->detokenizer.pieces[static_cast<size_t>(id)])
                                : std::string_view();
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool with_control) const {
  std::string out;
  bool begins = true;
  for (const int32_t id : ids) {
    if (!with_control && is_control(id)) continue;
    out += piece(id, begins);
    begins = false;
  }
  return out;
}

std::string_view Tokenizer::piece(int32_t id, bool begins) const {
  return id >= 0 && id < size() ? state_->detokenizer.piece(id, begins) : std::string_view();
}

int32_t Tokenizer::size() const { return static_cast<int32_t>(state_->vocabulary.tokens.size()); }
int32_t Tokenizer::bos() const { return state_->vocabulary.bos; }
int32_t Tokenizer::eos() const { return state_->vocabulary.eos; }
bool Tokenizer::adds_bos() const { return state_->adds_bos; }
bool Tokenizer::adds_eos() const { return state_->adds_eos; }
std::span<const int32_t> Tokenizer::end_of_turn() const { return state_->vocabulary.end_of_turn; }

bool Tokenizer::is_control(int32_t id) const { return id >= 0 && id < size() && state_->vocabulary.is_special(id); }

std::string StreamDecoder::push(int32_t id) {
  if (!with_control_ && tokenizer_.is_control(id)) return {};
  pending_ += tokenizer_.piece(id, begins_);
  begins_ = false;
  size_t complete = 0;
  while (complete < pending_.size()) {
    const Utf8Step step = utf8_step(std::string_view(pending_).substr(complete));
    if (step.kind == Utf8Kind::incomplete) break;
    complete += step.length;
  }
  std::string out = repair_utf8(std::string_view(pending_).substr(0, complete));
  pending_.erase(0, complete);
  return out;
}

std::string StreamDecoder::flush() { return repair_utf8(std::exchange(pending_, {})); }

}  // namespace lowbit::text

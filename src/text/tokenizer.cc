#include "text/tokenizer.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "text/byte_level_bpe.h"
#include "text/model.h"
#include "text/special_tokens.h"
#include "text/utf8.h"

namespace lowbit::text {
namespace {

struct ModelRow {
  std::string_view name;
  ModelFactory make;
};

constexpr ModelRow kModels[] = {
#define LOWBIT_TOKENIZER_MODEL(name, factory) {name, factory},
#include "text/models.inc"
#undef LOWBIT_TOKENIZER_MODEL
};

Result<std::shared_ptr<const Model>> make_model(const Metadata& metadata, const Vocabulary& vocabulary,
                                                std::string_view name) {
  std::string known;
  for (const ModelRow& row : kModels) {
    if (row.name == name) return row.make(metadata, vocabulary);
    known.append(known.empty() ? "" : ", ").append(row.name);
  }
  return metadata.error("tokenizer.ggml.model", fmt::format("is {}, expected one of {}", quote_text(name), known));
}

}  // namespace

struct Tokenizer::State {
  State(Vocabulary v, std::shared_ptr<const Model> m)
      : vocabulary(std::move(v)), specials(vocabulary), model(std::move(m)) {}

  Vocabulary vocabulary;
  SpecialTokens specials;
  std::shared_ptr<const Model> model;
  std::vector<std::string> bytes;  // of each token
};

Result<Tokenizer> Tokenizer::from_metadata(const nlohmann::json& metadata, std::string_view source_name) {
  constexpr const char* kModel = "tokenizer.ggml.model";
  const Metadata reader(metadata, source_name);
  LOWBIT_ASSIGN(const auto name, reader.string(kModel));
  if (!name) return reader.error(kModel, "is absent, so the file holds no tokenizer");
  LOWBIT_ASSIGN(Vocabulary vocabulary, read_vocabulary(reader));
  LOWBIT_ASSIGN(auto model, make_model(reader, vocabulary, *name));
  auto state = std::make_shared<State>(std::move(vocabulary), std::move(model));
  const Vocabulary& v = state->vocabulary;
  state->bytes.reserve(v.tokens.size());
  for (size_t id = 0; id < v.tokens.size(); ++id) {
    const bool plain = v.types[id] == TokenType::normal || v.types[id] == TokenType::byte;
    state->bytes.push_back(plain ? state->model->bytes_of(v.tokens[id]) : v.tokens[id]);
  }
  Tokenizer out;
  out.state_ = std::move(state);
  return out;
}

std::vector<int32_t> Tokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  const State& s = *state_;
  std::vector<int32_t> ids;
  if (options.add_bos && s.vocabulary.bos >= 0) ids.push_back(s.vocabulary.bos);
  const auto encoder = s.model->encoder();
  size_t done = 0;
  while (done < text.size()) {
    const SpecialTokens::Found found = s.specials.find(text, done, options.parse_control, options.plain);
    encoder->encode(text.substr(done, found.at - done), ids);
    if (found.length > 0) ids.push_back(found.id);
    done = found.at + found.length;
  }
  if (options.lost_bytes != nullptr) *options.lost_bytes = encoder->lost_bytes();
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
  return id >= 0 && id < size() ? std::string_view(state_->bytes[static_cast<size_t>(id)]) : std::string_view();
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool with_control) const {
  std::string out;
  for (const int32_t id : ids) {
    if (with_control || !is_control(id)) out += token_bytes(id);
  }
  return out;
}

int32_t Tokenizer::size() const { return static_cast<int32_t>(state_->vocabulary.tokens.size()); }
int32_t Tokenizer::bos() const { return state_->vocabulary.bos; }
int32_t Tokenizer::eos() const { return state_->vocabulary.eos; }
bool Tokenizer::adds_bos() const { return state_->vocabulary.adds_bos; }
std::span<const int32_t> Tokenizer::end_of_turn() const { return state_->vocabulary.end_of_turn; }

bool Tokenizer::is_control(int32_t id) const { return id >= 0 && id < size() && state_->vocabulary.is_special(id); }

std::string StreamDecoder::push(int32_t id) {
  if (!with_control_ && tokenizer_.is_control(id)) return {};
  pending_ += tokenizer_.token_bytes(id);
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

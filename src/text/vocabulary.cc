#include "text/vocabulary.h"

#include <algorithm>
#include <initializer_list>
#include <limits>

#include "text/utf8.h"

namespace lowbit::text {
namespace {

constexpr std::string_view kEndOfTurn[] = {
#define LOWBIT_END_OF_TURN(token) token,
#include "text/end_of_turn.inc"
#undef LOWBIT_END_OF_TURN
};

Status read_tokens(const Metadata& metadata, Vocabulary& out) {
  constexpr const char* kTokens = "tokenizer.ggml.tokens";
  constexpr const char* kTypes = "tokenizer.ggml.token_type";
  LOWBIT_ASSIGN(const auto tokens, metadata.strings(kTokens));
  if (!tokens) return metadata.error(kTokens, "is absent, so the model has no vocabulary");
  if (tokens->empty()) return metadata.error(kTokens, "is empty, expected at least one token");
  if (tokens->size() > static_cast<size_t>(std::numeric_limits<int32_t>::max())) {
    return metadata.error(kTokens, fmt::format("has {} tokens, expected fewer than 2^31", tokens->size()));
  }
  out.tokens.assign(tokens->begin(), tokens->end());
  out.types.assign(out.tokens.size(), TokenType::normal);
  LOWBIT_ASSIGN(const auto types, metadata.integers(kTypes, 1, 6));
  if (!types) return {};
  if (types->size() != out.tokens.size()) {
    return metadata.error(kTypes, fmt::format("has {} items, expected one for each of the {} items of \"{}\"",
                                              types->size(), out.tokens.size(), kTokens));
  }
  std::transform(types->begin(), types->end(), out.types.begin(),
                 [](int64_t type) { return static_cast<TokenType>(type); });
  return {};
}

// A token that steers the model: a text must not be able to spell it, whatever type the file gives it. Tokens of one
// character keep their type, since the text would lose that character (files exist that name "!" as their EOS).
void make_control(Vocabulary& vocabulary, int32_t id) {
  const std::string& token = vocabulary.tokens[id];
  if (token.empty() || utf8_step(token).length == token.size()) return;
  TokenType& type = vocabulary.types[id];
  if (type == TokenType::normal || type == TokenType::user_defined) type = TokenType::control;
}

void find_end_of_turn(Vocabulary& out) {
  for (size_t i = 0; i < out.tokens.size(); ++i) {
    if (std::find(std::begin(kEndOfTurn), std::end(kEndOfTurn), out.tokens[i]) == std::end(kEndOfTurn)) continue;
    // One of type normal may be a word of its own that happens to look so.
    const int32_t id = static_cast<int32_t>(i);
    if (out.types[id] == TokenType::user_defined) make_control(out, id);
    if (out.types[id] == TokenType::control) out.end_of_turn.push_back(id);
  }
  std::sort(out.end_of_turn.begin(), out.end_of_turn.end());
  out.end_of_turn.erase(std::unique(out.end_of_turn.begin(), out.end_of_turn.end()), out.end_of_turn.end());
}

}  // namespace

Status read_token_ids(const Metadata& metadata, const TokenDefaults& defaults, Vocabulary& out) {
  constexpr const char* kAddBos = "tokenizer.ggml.add_bos_token";
  constexpr const char* kAddEos = "tokenizer.ggml.add_eos_token";
  const size_t count = out.tokens.size();
  // Of several keys the first that is there; the misspelt one is what files have.
  const auto id_of = [&](std::initializer_list<const char*> keys, int32_t none) -> Result<std::optional<int32_t>> {
    for (const char* key : keys) {
      LOWBIT_ASSIGN(const auto id, metadata.token_id(key, count));
      if (id) return id;
    }
    const bool there = none >= 0 && static_cast<size_t>(none) < count;
    return there ? std::optional<int32_t>(none) : std::optional<int32_t>();
  };
  LOWBIT_ASSIGN(const auto bos, id_of({"tokenizer.ggml.bos_token_id", "tokenizer.ggml.cls_token_id"}, defaults.bos));
  LOWBIT_ASSIGN(const auto eos,
                id_of({"tokenizer.ggml.eos_token_id", "tokenizer.ggml.seperator_token_id"}, defaults.eos));
  LOWBIT_ASSIGN(const auto eot, id_of({"tokenizer.ggml.eot_token_id"}, -1));
  LOWBIT_ASSIGN(const auto unknown, id_of({"tokenizer.ggml.unknown_token_id"}, defaults.unknown));
  LOWBIT_ASSIGN(out.adds_bos, metadata.boolean(kAddBos));
  LOWBIT_ASSIGN(out.adds_eos, metadata.boolean(kAddEos));
  out.bos = bos.value_or(-1);
  out.eos = eos.value_or(-1);
  out.unknown = unknown.value_or(-1);
  if (out.adds_bos.value_or(false) && out.bos < 0) {
    return metadata.error(kAddBos, "is true, but \"tokenizer.ggml.bos_token_id\" is absent");
  }
  if (out.adds_eos.value_or(false) && out.eos < 0) {
    return metadata.error(kAddEos, "is true, but \"tokenizer.ggml.eos_token_id\" is absent");
  }
  for (const auto& id : {bos, eos, eot}) {
    if (id) make_control(out, *id);
  }
  for (const auto& id : {eos, eot}) {
    if (id) out.end_of_turn.push_back(*id);
  }
  find_end_of_turn(out);
  return {};
}

Result<Vocabulary> read_vocabulary(const Metadata& metadata, const TokenDefaults& defaults) {
  Vocabulary out;
  LOWBIT_TRY(read_tokens(metadata, out));
  LOWBIT_TRY(read_token_ids(metadata, defaults, out));
  return out;
}

}  // namespace lowbit::text

#include "text/vocabulary.h"

#include <algorithm>
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

Status read_ids(const Metadata& metadata, Vocabulary& out) {
  constexpr const char* kAddBos = "tokenizer.ggml.add_bos_token";
  const size_t count = out.tokens.size();
  LOWBIT_ASSIGN(const auto bos, metadata.token_id("tokenizer.ggml.bos_token_id", count));
  LOWBIT_ASSIGN(const auto eos, metadata.token_id("tokenizer.ggml.eos_token_id", count));
  LOWBIT_ASSIGN(const auto eot, metadata.token_id("tokenizer.ggml.eot_token_id", count));
  LOWBIT_ASSIGN(const auto unknown, metadata.token_id("tokenizer.ggml.unknown_token_id", count));
  LOWBIT_ASSIGN(const auto adds_bos, metadata.boolean(kAddBos));
  out.bos = bos.value_or(-1);
  out.eos = eos.value_or(-1);
  out.unknown = unknown.value_or(-1);
  out.adds_bos = adds_bos.value_or(false);
  if (out.adds_bos && out.bos < 0) {
    return metadata.error(kAddBos, "is true, but \"tokenizer.ggml.bos_token_id\" is absent");
  }
  for (const auto& id : {bos, eos, eot}) {
    if (id) make_control(out, *id);
  }
  for (const auto& id : {eos, eot}) {
    if (id) out.end_of_turn.push_back(*id);
  }
  return {};
}

}  // namespace

Result<Vocabulary> read_vocabulary(const Metadata& metadata) {
  Vocabulary out;
  LOWBIT_TRY(read_tokens(metadata, out));
  LOWBIT_TRY(read_ids(metadata, out));
  for (size_t i = 0; i < out.tokens.size(); ++i) {
    if (std::find(std::begin(kEndOfTurn), std::end(kEndOfTurn), out.tokens[i]) == std::end(kEndOfTurn)) continue;
    // One of type normal may be a word of its own that happens to look so.
    const int32_t id = static_cast<int32_t>(i);
    if (out.types[id] == TokenType::user_defined) make_control(out, id);
    if (out.types[id] == TokenType::control) out.end_of_turn.push_back(id);
  }
  std::sort(out.end_of_turn.begin(), out.end_of_turn.end());
  out.end_of_turn.erase(std::unique(out.end_of_turn.begin(), out.end_of_turn.end()), out.end_of_turn.end());
  return out;
}

}  // namespace lowbit::text

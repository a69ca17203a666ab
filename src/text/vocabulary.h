// The tokens of a model as the file has them, checked: what all kinds of tokenizers share.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "text/metadata.h"

namespace lowbit::text {

// Numbers of tokenizer.ggml.token_type (GGUF specification, "Tokenizer").
enum class TokenType : uint8_t { normal = 1, unknown = 2, control = 3, user_defined = 4, unused = 5, byte = 6 };

struct Vocabulary {
  std::vector<std::string> tokens;           // as written in the file
  std::vector<TokenType> types;              // one for each token
  int32_t bos = -1, eos = -1, unknown = -1;  // -1: the model has none; of BERT [CLS] and [SEP]
  std::optional<bool> adds_bos, adds_eos;    // what the file says
  std::vector<int32_t> end_of_turn;          // ascending, without repetition

  // Control and unknown tokens: matched in a text only where that is asked for.
  bool is_special(int32_t id) const { return types[id] == TokenType::control || types[id] == TokenType::unknown; }
};

// Ids where the file names none; -1: none.
struct TokenDefaults {
  int32_t bos = -1, eos = -1, unknown = -1;
};

// Reads tokenizer.ggml.{tokens, token_type, *_token_id, add_bos_token, add_eos_token}.
Result<Vocabulary> read_vocabulary(const Metadata& metadata, const TokenDefaults& defaults);

// The same, but of a vocabulary whose tokens and types stand already.
Status read_token_ids(const Metadata& metadata, const TokenDefaults& defaults, Vocabulary& vocabulary);

}  // namespace lowbit::text

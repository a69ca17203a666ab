// tokenizer.json of the Hugging Face tokenizers package.
#pragma once

#include <string_view>

#include "text/json_reader.h"
#include "text/metadata.h"
#include "text/tokenizer_parts.h"

namespace lowbit::text {

// metadata: gives the ids of BOS, EOS and so on where it has the keys of GGUF; what the post-processor puts around a
// text comes first.
Result<TokenizerParts> read_hf_tokenizer(const nlohmann::json& json, const Metadata& metadata);

// Tokens by id and their types; ids without a token are unused. Needs "model" and "added_tokens".
Result<Vocabulary> read_hf_vocabulary(const JsonReader& json);

}  // namespace lowbit::text

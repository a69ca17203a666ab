// tokenizer.json and tokenizer_config.json as keys of a model's metadata.
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

#include "base/result.h"

namespace lowbit::text {

// What a model from a Hugging Face folder carries: the text of its tokenizer.json under kHuggingFaceJson, the ids of
// BOS, EOS, unknown and padding, add_bos_token, add_eos_token, and tokenizer.chat_template. config: the text of
// tokenizer_config.json, or empty.
Result<nlohmann::json> metadata_from_hf(std::string_view tokenizer, std::string_view config,
                                        std::string_view source_name);

// The same tokenizer in the words of GGUF: tokenizer.ggml.{model, pre, tokens, token_type, scores, merges, ...}. An
// error says what GGUF has no words for. That an added token takes white space around it with it (lstrip, rstrip) or
// stands only between words is left out: GGUF cannot say it.
Result<nlohmann::json> ggml_keys_from_hf(std::string_view tokenizer, std::string_view source_name);

}  // namespace lowbit::text

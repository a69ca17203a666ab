// The tokenizer of a GGUF as the files of a Hugging Face folder: the inverse of hf_export.h.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/result.h"

namespace lowbit::text {

struct HfTokenizerFiles {
  std::string tokenizer;      // tokenizer.json
  nlohmann::json config;      // tokenizer_config.json
  std::string chat_template;  // chat_template.jinja; empty: none
  nlohmann::json generation;  // generation_config.json: ids of BOS and EOS
};

// metadata: with the keys of GGUF; a tokenizer.json that it holds is taken as it is. Kinds: byte-level BPE (the row
// of pre_tokenizers.inc says the patterns) and SentencePiece BPE, whose merges are made from the scores: every pair
// of tokens that makes a token, in order of its score. Empty where metadata has no tokenizer. An error names the key.
Result<HfTokenizerFiles> hf_files_from_metadata(const nlohmann::json& metadata, std::string_view source_name);

}  // namespace lowbit::text

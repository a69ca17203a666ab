// A model as the Hugging Face hub keeps it: a folder of JSON files and safetensors.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "io/checkpoint.h"

namespace lowbit::io {

// Opens config.json and what stands beside it (generation_config.json, tokenizer.json, tokenizer_config.json,
// special_tokens_map.json, chat_template.jinja, ...), and model.safetensors or the shards that
// model.safetensors.index.json names, which must lie in the folder.
Result<std::shared_ptr<const Checkpoint>> open_hf_folder(const std::string& folder);

// The names of the safetensors files that hold the weights of a folder, whether or not they are there.
Result<std::vector<std::string>> hf_weight_files(const std::string& folder);

// One safetensors file with its config.json beside it.
Result<std::shared_ptr<const Checkpoint>> open_hf_file(Source source);

// Whether a config.json stands beside the file.
bool has_hf_config(const std::string& path);

}  // namespace lowbit::io

// What sentence-transformers says of a checkpoint: how the hidden states of a text become its vector.
#pragma once

#include <nlohmann/json.hpp>

#include "models/hf/conversion.h"

namespace lowbit::models::hf {

// Reads modules.json, 1_Pooling/config.json and sentence_bert_config.json, where the folder has them, into keys of
// the architecture. An error names the file and the key of what is not supported.
Status add_sentence_vectors(const nlohmann::json& documents, Conversion& conversion);

}  // namespace lowbit::models::hf

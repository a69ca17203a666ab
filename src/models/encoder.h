// What encoders have in common.
#pragma once

#include "models/blocks.h"

namespace lowbit::models {

// Keys of an encoder that GGUF does not have: whether its vectors have length 1 (they do where it is absent), how
// many tokens of a text they read, and whether the text is brought to lower case before (it is not where it is
// absent).
constexpr const char* kUnitVectors = "pooling_normalize";
constexpr const char* kLowerCase = "pooling_lower_case";
constexpr const char* kSentenceTokens = "pooling_tokens";

// Marks a model as an encoder and reads how it pools; none where the file does not say. The weights of a classifier
// or pooler that stand in the file are not needed.
Status describe_encoder(const Config& config, int64_t context, Model& model);

}  // namespace lowbit::models

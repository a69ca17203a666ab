// What encoders have in common.
#pragma once

#include "models/blocks.h"

namespace lowbit::models {

// Marks a model as an encoder and reads how it pools; none where the file does not say. The weights of a classifier
// or pooler that stand in the file are not needed.
Status describe_encoder(const Config& config, Model& model);

}  // namespace lowbit::models

// A Hugging Face checkpoint as a model file with the names, keys and weights of GGUF.
#pragma once

#include <memory>

#include "io/checkpoint.h"

namespace lowbit::models::hf {

// The architecture is that of config.json; each has a row in models.inc. Errors name the folder, and config.json and
// the key or the tensor.
Result<std::shared_ptr<const io::ModelFile>> open(std::shared_ptr<const io::Checkpoint> checkpoint);

}  // namespace lowbit::models::hf

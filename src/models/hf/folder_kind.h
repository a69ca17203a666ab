// A folder of safetensors in the layout of compressed-tensors, which vLLM and transformers load; where nothing is
// quantized, a plain Hugging Face folder. A row of written_kinds.h.
#pragma once

#include "io/model_writer.h"

namespace lowbit::models::hf {

const io::WrittenKind& folder_kind();

}  // namespace lowbit::models::hf

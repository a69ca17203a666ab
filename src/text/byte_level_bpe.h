// Byte-level BPE (Radford et al. 2019): pieces of bytes, merged pair by pair in the order the merges were learnt.
#pragma once

#include "text/model.h"

namespace lowbit::text {

// A ModelFactory. Reads tokenizer.ggml.pre (absent: "default") and tokenizer.ggml.merges.
Result<std::shared_ptr<const Model>> make_byte_level_bpe(const Metadata& metadata, const Vocabulary& vocabulary);

}  // namespace lowbit::text

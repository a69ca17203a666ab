// Unigram tokenizers of SentencePiece (Kudo 2018), as T5 and XLM-RoBERTa use them.
#pragma once

#include "text/model.h"

namespace lowbit::text {

// A ModelFactory. Reads tokenizer.ggml.{scores, precompiled_charsmap, add_space_prefix, remove_extra_whitespaces}
// (the last two absent: false).
Result<std::shared_ptr<const Model>> make_unigram(const Metadata& metadata, const Vocabulary& vocabulary);

}  // namespace lowbit::text

// BPE of SentencePiece (Kudo and Richardson 2018) as Llama 2, Phi 3 and Gemma use it: characters, of which the
// neighbours that make the token of the highest score are merged; characters without a token become bytes.
#pragma once

#include "text/model.h"

namespace lowbit::text {

// A ModelFactory. Reads tokenizer.ggml.scores and tokenizer.ggml.add_space_prefix (absent: true).
Result<std::shared_ptr<const Model>> make_sentencepiece_bpe(const Metadata& metadata, const Vocabulary& vocabulary);

}  // namespace lowbit::text

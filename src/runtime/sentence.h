// Sentence vectors: the hidden states of an encoder, pooled as its model says.
#pragma once

#include <string_view>
#include <vector>

#include "base/progress.h"
#include "runtime/engine.h"

namespace lowbit::runtime {

// The lines of a text, without what ends them ("\n" or "\r\n"); an empty line is one.
std::vector<std::string_view> lines_of(std::string_view text);

// A text as an encoder reads it, with what the model wants around it.
struct SentenceIds {
  std::vector<int32_t> ids;
  int64_t cut = 0;          // tokens that were left out: the text is longer than the model reads
  uint64_t lost_bytes = 0;  // without a token
};

// An error where the model is no encoder, or where the text has no token at all.
Result<SentenceIds> sentence_ids(const models::Model& model, const text::Tokenizer& tokenizer, std::string_view text);

// One vector for each text, [width]; of length 1 where the model says so. The bits of a vector depend neither on the
// other texts nor on the threads. executor: of the model, under any policy. An error where a vector is no finite
// numbers.
Result<std::vector<std::vector<float>>> sentence_vectors(const models::Model& model, exec::Executor& executor,
                                                         std::span<const SentenceIds> texts,
                                                         const ProgressFn& progress = {});

// The cosine of the angle between two vectors, in double; 0 where one is all zeros.
double cosine(std::span<const float> a, std::span<const float> b);

}  // namespace lowbit::runtime

// A calibration text as sequences of tokens.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "models/model.h"
#include "text/tokenizer.h"

namespace lowbit::search {

struct Sequences {
  std::vector<std::vector<int32_t>> calibration;
  std::vector<std::vector<int32_t>> probe;  // held out; a short text probes what it calibrates on
};

struct SequenceOptions {
  int64_t context = 512;
  int64_t chunks = 24, probe_chunks = 2;
};

// Chunks of `context` tokens. Of an encoder, the lines of the text that are not blank, cut to what the model reads,
// as many as have the tokens of so many chunks. An error where the text is too short for one.
Result<Sequences> calibration_sequences(const models::Model& model, const text::Tokenizer& tokenizer,
                                        const std::string& text, const SequenceOptions& options);

// How many of the sequences, from the first, together have so many tokens: at least one, at most all.
int64_t texts_with_tokens(const std::vector<std::vector<int32_t>>& sequences, int64_t tokens);

}  // namespace lowbit::search

// From logits to the next token.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/rng.h"

namespace lowbit::runtime {

// The order of the steps: repetition penalty, temperature, top-k, top-p, min-p, draw.
struct SamplingOptions {
  double temperature = 0.0;  // 0: the most likely token, lowest id on ties
  int32_t top_k = 0;         // 0: off
  double top_p = 1.0;        // keeps the most likely tokens until their probabilities reach this (Holtzman 2020)
  double min_p = 0.0;        // keeps tokens with at least this share of the greatest probability
  double repetition_penalty = 1.0;  // logits of seen tokens: divided where positive, multiplied where negative
  int32_t penalty_window = 64;      // how many of the last tokens count as seen
  uint64_t seed = 0;
};

class Sampler {
 public:
  explicit Sampler(const SamplingOptions& options) : options_(options), rng_(options.seed, 1) {}
  // history: tokens so far, newest last. The same seed and logits give the same tokens on every machine.
  int32_t sample(std::span<const float> logits, std::span<const int32_t> history);

 private:
  SamplingOptions options_;
  Rng rng_;
};

}  // namespace lowbit::runtime

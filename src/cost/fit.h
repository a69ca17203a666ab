// What a model needs on this machine, and how fast it should run, before any weight is read.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cost/limits.h"
#include "graph/graph.h"
#include "models/model.h"

namespace lowbit::cost {

// Shares of the limits that an expectation counts with: round figures, said beside it. `lowbit bench` measures what a
// model reaches.
constexpr double kDecodeShare = 0.6;    // of the read rate
constexpr double kPrefillShare = 0.35;  // of the int8 peak

// Bytes and formats of the parameters, as they will lie in memory.
struct StoredParameters {
  std::function<double(const std::string& name)> bytes;
  std::function<std::vector<formats::Format>(const std::string& name)> formats;
};

struct Fit {
  uint64_t cache_bytes = 0;         // keys and values of the context
  uint64_t scratch_bytes = 0;       // values of a prompt's chunk, about
  double decode_tokens_per_s = 0;   // one sequence, in the middle of the context
  double prefill_tokens_per_s = 0;  // a prompt of 512 tokens
};

Fit fit_of(const models::Model& model, const StoredParameters& stored, const graph::NumericPolicy& policy,
           int64_t context, const MachineLimits& limits);

// Bytes of the values of `tokens` tokens that an executor keeps at once.
uint64_t scratch_bytes(const graph::Graph& graph, int64_t tokens);

}  // namespace lowbit::cost

// Tokens a second of a model on this machine, each beside the limit that binds it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/progress.h"
#include "cost/limits.h"
#include "cost/timing.h"
#include "graph/graph.h"
#include "models/model.h"
#include "tensor/weight.h"

namespace lowbit::cost {

struct ModelRate {
  std::string work;         // prefill or decode
  int64_t tokens = 0;       // of a sequence in one step: 1 of decode
  int64_t context = 0;      // tokens cached before the step
  int64_t batch = 1;        // sequences
  Timing timing;            // of a step
  double tokens_per_s = 0;  // of all sequences together
  double bytes_per_s = 0;   // weights, keys and values, each read once in a step
  double ops_per_s = 0;     // of the products with weights; a multiply-add counts two
  double reading = 0;       // bytes a second that the machine reads between decode steps
  double share = 0;         // of the limit: of prefill the int8 peak, of decode the read rate
};

struct ModelRatesOptions {
  std::vector<int64_t> prefill = {32, 128, 512}, context = {0, 1024, 4096}, batch = {1, 4, 8};
  double seconds = 1.0;  // for each row, about
  // Where the weights are smaller than this, decode goes round distinct copies of them of so many bytes together (as
  // memory permits), so that caches do not hold what a larger model would read from memory. 0: one copy.
  uint64_t cold_bytes = uint64_t{1} << 30;
  graph::NumericPolicy policy = graph::NumericPolicy::standard();
};

struct ModelRates {
  std::vector<ModelRate> rows;
  std::vector<std::string> left_out;  // sentences: rows that there is no memory for
  int copies = 1;
  uint64_t weight_bytes = 0;  // of one copy
};

// Prefill runs the first copy; keys and values of a context are random numbers, not computed.
Result<ModelRates> measure_model(const models::Model& model, const tensor::Weights& weights,
                                 const MachineLimits& limits, std::shared_ptr<ThreadPool> pool,
                                 const ModelRatesOptions& options, const ProgressFn& progress = {});

// What one step does, for all sequences together.
struct StepWork {
  double bytes = 0, ops = 0;
};
// tokens of each of `batch` sequences that hold `context` tokens; `weight_bytes` gives a parameter's bytes.
// experts_read: the share of the experts that somebody chose; else what it is where choices are random.
StepWork work_of(const graph::Graph& graph, int64_t tokens, int64_t context, int64_t batch, double kv_entry_bytes,
                 const std::function<double(const std::string&)>& weight_bytes,
                 std::optional<double> experts_read = {});

}  // namespace lowbit::cost

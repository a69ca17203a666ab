// One parameter under its plan: rows taken from the source, rounded by a method or kept code for code, and packed.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/progress.h"
#include "base/threads.h"
#include "quant/method.h"
#include "quant/observe/statistics.h"
#include "quant/plan.h"
#include "quant/round/gptq_factor.h"
#include "tensor/weight.h"

namespace lowbit::quant {

// Rows of a parameter from the most to the least important (row_weights, lower index first on ties): the order in
// which a divided tensor stores them.
std::vector<int32_t> importance_order(const ParameterStatistics& statistics);

// The extreme weights; an error names the first row with one that is NaN or infinite.
Result<TensorRange> range_of(const tensor::Weight& weight, ThreadPool& pool);

// An error that names the first row with a weight that is NaN or infinite.
Status check_finite(const tensor::Weight& weight, ThreadPool& pool);

struct SolveReport {
  double loss = 0.0;            // 1/2 sum f_r e_r H e_r^T in nats per token; 0 without statistics
  double relative_error = 0.0;  // |e|^2 / |w|^2
  double damping = 0.0;         // the greatest that was needed
  int failed_factorizations = 0;
};

struct SolveInput {
  const tensor::Weight* source = nullptr;
  const TensorPlan* plan = nullptr;
  const ParameterStatistics* statistics = nullptr;  // null: none (methods that need them become `nearest`)
  const GptqFactor* factor = nullptr;               // of the statistics' second moments, or null
  std::span<const float> importance = {};           // [cols], used without statistics; may be empty
  std::optional<TensorRange> range = {};            // for a scale of the tensor that others share; else its own
  MethodOptions options;
  ThreadPool* pool = nullptr;
};

// Memory: one slab of rows in fp32 and the result. The same bytes for any number of threads.
Result<tensor::Weight> solve(const SolveInput& input, SolveReport& report);

// The loss and squared error that a method would leave on some rows of a parameter: rows [count] of the source in
// fp32, with their statistics. What search asks for every candidate format.
struct TrialResult {
  std::vector<double> weighted_error;  // per row: e H e^T
  std::vector<double> squared_error;
};
Result<TrialResult> try_format(std::span<const float> rows, int64_t count, int64_t cols,
                               const formats::Format& format, const TensorScales& tensor_scales,
                               std::string_view method, const ParameterStatistics& statistics,
                               const GptqFactor* factor, const MethodOptions& options, ThreadPool& pool);

}  // namespace lowbit::quant

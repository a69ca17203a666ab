// What calibration learns about a model: for every matrix the second moments of its inputs, and how much each of its
// rows matters to the output distribution.
//
// With H = mean of x x^T over tokens and f_r = mean of g_r^2, g the gradient of the log-likelihood of the model's own
// draws at output r (the Fisher information), an error D of the weights costs about
//   KL = 1/2 sum over rows r of f_r * D_r H D_r^T     nats per token
// (the Kronecker-factored approximation of Martens and Grosse, arXiv 1503.05671, with a diagonal factor of outputs).
// Of an encoder the loss is that of its sentence vectors, 1 - cosine (grad::sampled_direction), per text.
// For the output head f_r = mean of p_r (1 - p_r), exact. A tied embedding is also looked up: there an error of row r
// meets the gradient at the embedding whenever token r comes, about as often as it is predicted, which adds
// diag(mean g^2) / sum(f) to its H. For an embedding that is only looked up H is diag(mean g^2) alone and f_r the
// share of token r in the calibration text.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/cpu.h"
#include "base/progress.h"
#include "base/threads.h"
#include "models/open.h"
#include "quant/work.h"

namespace lowbit::quant {

struct CalibrationOptions {
  int64_t fisher_chunks = 12;           // sequences for the gradients
  int64_t fisher_tokens = 256;          // tokens of each (the beginning of a chunk)
  uint64_t seed = 0;                    // of the draws
  uint64_t memory = uint64_t{2} << 30;  // bytes of second moments held at once; more inputs take more passes
  int64_t checkpoint_chunks = 8;        // the sums are saved after so many chunks
};

struct ParameterStatistics {
  std::vector<float> second_moments;  // [cols][cols]
  std::vector<float> row_weights;     // [rows]
};

// Whether calibrate() would find everything done.
bool is_calibrated(const graph::Graph& graph, const WorkFolder& work);

// Runs calibration and leaves the pieces in the work folder; what is there already is not computed again. The sums
// are saved on the way, so a job that was killed goes on from there, to the same bytes. chunks: token ids, each one
// sequence.
Status calibrate(const models::OpenedModel& opened, const tensor::Weights& weights,
                 std::span<const std::vector<int32_t>> chunks, const CalibrationOptions& options,
                 std::shared_ptr<ThreadPool> pool, Isa isa, const WorkFolder& work, const ProgressFn& progress = {});

// The statistics of one matrix, from the work folder.
Result<ParameterStatistics> read_statistics(const WorkFolder& work, const graph::Graph& graph,
                                            const std::string& parameter);

// Whether calibration gives statistics for this parameter: matrices that are multiplied or looked up.
bool has_statistics(const graph::Graph& graph, const std::string& parameter);

// The value whose second moments a parameter's errors are weighed with; parameters of one value share a
// factorization.
graph::ValueId observed_input(const graph::Graph& graph, const std::string& parameter);

}  // namespace lowbit::quant

// A plan carried out: every parameter solved and written, in order, resumable.
#pragma once

#include <string>
#include <vector>

#include "base/progress.h"
#include "io/importance.h"
#include "models/open.h"
#include "quant/plan.h"
#include "quant/solve.h"
#include "quant/work.h"

namespace lowbit::quant {

struct TensorOutcome {
  std::string name;
  SolveReport report;
  uint64_t bytes = 0;
};

struct QuantizeOutcome {
  std::vector<TensorOutcome> tensors;
  uint64_t file_bytes = 0;
  double loss = 0.0;  // sum of the tensors' predicted losses, nats per token; 0 without statistics
  int reused = 0;     // tensors that were finished by an earlier, interrupted run
};

struct QuantizeJob {
  const models::OpenedModel* opened = nullptr;
  const Plan* plan = nullptr;
  const WorkFolder* work = nullptr;
  bool statistics = false;                     // whether the work folder holds calibration
  const io::Importance* importance = nullptr;  // of columns, used without statistics; null for none
  MethodOptions options;
  nlohmann::json metadata;                 // of the file to be written
  const io::SourceFacts* facts = nullptr;  // of kinds that prepare
  ThreadPool* pool = nullptr;
};

// Solves what the work folder does not hold yet, then writes the file (which appears whole or not at all). One
// parameter is in memory at a time.
Result<QuantizeOutcome> quantize(const QuantizeJob& job, const std::string& out, const ProgressFn& progress = {});

// The second moments of a parameter factored, shared by the parameters that follow it with the same input.
class FactorCache {
 public:
  FactorCache(const graph::Graph& graph, const MethodOptions& options) : graph_(graph), options_(options) {}
  Result<const GptqFactor*> get(const std::string& parameter, const ParameterStatistics& statistics);

 private:
  const graph::Graph& graph_;
  MethodOptions options_;
  std::string key_;
  std::unique_ptr<GptqFactor> factor_;
};

}  // namespace lowbit::quant

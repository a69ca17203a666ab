// A model file opened for running: weights, tokenizer, executor.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/progress.h"
#include "exec/executor.h"
#include "graph/graph.h"
#include "models/open.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace lowbit::runtime {

// Tokens that a long prompt is fed in at a time; fewer where somebody may cancel or watches.
constexpr int64_t kChunk = 512, kWatchedChunk = 128;

struct EngineOptions {
  graph::NumericPolicy policy = graph::NumericPolicy::standard();
  int threads = 0;  // 0: all processors
  Isa isa = active_isa();
  std::shared_ptr<ThreadPool> pool;  // shared with others where given
  std::string pre_tokenizer;         // in place of the one that the file names; empty: that one
};

// The tokenizer has no more tokens than the model has logits. It may have fewer: padding, which is never sampled.
struct Engine {
  models::OpenedModel opened;
  tensor::Weights weights;
  std::optional<text::Tokenizer> tokenizer;
  std::shared_ptr<ThreadPool> pool;
  std::unique_ptr<exec::Executor> executor;

  static Result<std::unique_ptr<Engine>> open(const std::string& path, const EngineOptions& options,
                                              const ProgressFn& progress = {});

  // Copies the weights to where they are read fastest.
  Status settle_weights();

  // The same model under another policy; weights are shared.
  Result<std::unique_ptr<exec::Executor>> executor_for(const graph::NumericPolicy& policy, Isa isa) const;
};

}  // namespace lowbit::runtime

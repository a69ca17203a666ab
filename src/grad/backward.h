// Reverse mode over a graph: gradients of a loss at the output of every node, for one sequence.
//
// The forward pass runs in fp32 (exec with the values and caches of NumericPolicy::reference()). A cast of the graph
// is run as it stands and is straight-through for the gradient. Weights stay packed; they get no gradient yet. The
// bits do not depend on the number of threads or the ISA: each sum is one chain or a sum in fixed order.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "base/cpu.h"
#include "base/result.h"
#include "base/threads.h"
#include "exec/executor.h"
#include "grad/loss.h"
#include "graph/graph.h"

namespace lowbit::grad {

// Called after each node's output was computed, in order (not for casts): rows is [tokens][width].
using ValueTap = exec::Tap;
// Called once for each node whose output the loss depends on, last node first: gradient is [tokens][width] with
// respect to the output of the node. What it points at lives until the call returns.
using GradientTap =
    std::function<void(graph::ValueId id, const graph::Value& value, const float* gradient, int64_t tokens)>;

class Backward {
 public:
  // graph: shapes inferred, without casts (or with casts whose values no rule needs, as in front of a linear).
  // An error names a parameter that is missing or has the wrong shape, or a node that needs the value of a cast.
  static Result<std::unique_ptr<Backward>> create(const graph::Graph& graph, const exec::Weights& weights,
                                                  std::shared_ptr<ThreadPool> pool, Isa isa);
  ~Backward();

  // Forward and backward over one sequence from position 0. Empty taps are allowed. Memory: the logits twice, and per
  // token the inputs of norms, gates and attentions; they are released as the walk passes them.
  // An error where there are no tokens or a token id is out of range.
  Status run(std::span<const int32_t> tokens, const LossGradient& loss, const ValueTap& values,
             const GradientTap& gradients);

  struct State;  // rules.h

 private:
  Backward() = default;
  std::unique_ptr<State> state_;
};

}  // namespace lowbit::grad

// How gradients pass an operation: one rule per row of graph/ops.inc, and what rules share.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "grad/backward.h"

namespace lowbit::grad {

// A gradient or value of all tokens: [tokens][width].
using Rows = std::vector<float>;

struct Backward::State {
  graph::Graph graph;
  exec::Weights weights;
  std::shared_ptr<ThreadPool> pool;
  Isa isa = Isa::portable;
  std::unique_ptr<exec::Executor> executor;
  std::vector<int32_t> readers;                       // value -> rules that need it
  std::map<std::string, std::vector<float>> vectors;  // norm weights as fp32
  std::map<std::string, std::vector<int32_t>> inverse_orders;
  // (base, scale, turned values, amplitude, factors) -> cosines and negated sines, [position][turned / 2] each
  struct Rotary {
    std::vector<float> cosine, negated_sine;
  };
  std::map<std::tuple<double, double, int32_t, double, std::string>, Rotary> rotary;

  // Of the running pass.
  int64_t tokens = 0;
  std::vector<Rows> values;     // kept values, by id
  std::vector<int32_t> unread;  // value -> rules that still need it
  std::vector<Rows> gradients;  // by id; empty: none yet

  int64_t width(graph::ValueId id) const { return graph.values[static_cast<size_t>(id)].width; }
  const Rows& value(graph::ValueId id) const { return values[static_cast<size_t>(id)]; }
  Rows zeros(graph::ValueId id) const { return Rows(static_cast<size_t>(tokens * width(id)), 0.0f); }
  // Adds a consumer's share to the gradient of a value. Consumers come in reverse order of the nodes, the inputs of
  // one node in their order: this is the order of the sum.
  void give(graph::ValueId id, Rows share);
};

// gradient is that of the node's output; a rule gives each input its share and may use gradient up.
struct Rule {
  void (*backward)(Backward::State& s, const graph::Node& node, Rows& gradient);
  uint32_t needs;  // values that are kept from the forward pass: bit i for input i, kNeedsOutput for the output
};
constexpr uint32_t kNeedsNothing = 0, kNeedsFirst = 1, kNeedsSecond = 2, kNeedsThird = 4, kNeedsOutput = 1u << 31;

// rules::embed, rules::rms_norm, ... in a file per group of operations.
namespace rules {
#define LOWBIT_OP(name, inputs, weights) extern const Rule name;
#include "graph/ops.inc"
#undef LOWBIT_OP
}  // namespace rules

// dx[row] = dy[row] times rows [begin, end) of the weight of a node: dy is [rows][end - begin], dx [rows][cols],
// zeros at the call. The sum runs over the rows of the weight in their natural order.
void multiply_by_rows(Backward::State& s, const std::string& weight, int64_t begin, int64_t end, const Rows& dy,
                      Rows& dx);

constexpr int64_t kRowGrain = 16;

// Runs body(first row, rows) over the tokens.
template <class Body>
void over_rows(Backward::State& s, const Body& body) {
  s.pool->parallel_for(s.tokens, kRowGrain, [&](int64_t begin, int64_t end, int) { body(begin, end - begin); });
}

}  // namespace lowbit::grad

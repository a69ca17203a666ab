// For tests: gradients of a graph compared with differences of a loss in double.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <numeric>

#include "grad/backward.h"
#include "grad/double_oracle.h"
#include "grad/tiny_model.h"
#include "models/blocks.h"

namespace lowbit::grad {

using Gradients = std::map<graph::ValueId, std::vector<float>>;

inline std::unique_ptr<Backward> make(const graph::Graph& graph, const exec::Weights& weights, int threads = 1,
                                      Isa isa = active_isa()) {
  auto made = Backward::create(graph, weights, std::make_shared<ThreadPool>(threads), isa);
  EXPECT_TRUE(made.ok()) << made.message();
  return std::move(made).value();
}

inline Gradients gradients_of(Backward& backward, std::span<const int32_t> tokens, const LossGradient& loss) {
  Gradients found;
  graph::ValueId last = std::numeric_limits<graph::ValueId>::max();
  const Status status = backward.run(
      tokens, loss, {}, [&](graph::ValueId id, const graph::Value& value, const float* gradient, int64_t count) {
        EXPECT_LT(id, last) << "once each, last first";
        last = id;
        EXPECT_EQ(count, static_cast<int64_t>(tokens.size()));
        found[id].assign(gradient, gradient + count * value.width);
      });
  EXPECT_TRUE(status.ok());
  return found;
}

// The loss sum(c * logits).
inline LossGradient weighted_logits(const std::vector<float>& c) {
  return [&c](std::span<const float>, std::span<const int32_t>, int64_t, std::span<float> dlogits) {
    std::copy(c.begin(), c.end(), dlogits.begin());
  };
}

// Compares the gradient of every node's output with central differences of `loss` in double, along whole random
// directions and along single components.
inline void expect_differences(const graph::Graph& graph, const Gradients& gradients,
                               const std::function<double(const Change&)>& loss, double tolerance) {
  Rng rng(99);
  for (const graph::Node& node : graph.nodes) {
    ASSERT_TRUE(gradients.contains(node.output)) << node.name;
    const std::vector<float>& g = gradients.at(node.output);
    const double norm = std::sqrt(std::inner_product(g.begin(), g.end(), g.begin(), 0.0));
    EXPECT_GT(norm, 0.0) << node.name;
    for (int trial = 0; trial < 8; ++trial) {
      Change up{node.output, Doubles(g.size(), 0.0)};
      double along = 0.0, length = 1.0;
      if (trial < 3) {
        for (double& u : up.offset) u = rng.normal();
        length = std::sqrt(std::inner_product(up.offset.begin(), up.offset.end(), up.offset.begin(), 0.0));
      } else {
        up.offset[rng.below(g.size())] = 1.0;
      }
      for (size_t i = 0; i < g.size(); ++i) along += up.offset[i] * static_cast<double>(g[i]);
      const double h = 1e-5 * std::sqrt(static_cast<double>(g.size())) / length;
      for (double& u : up.offset) u *= h;
      Change down = up;
      for (double& u : down.offset) u = -u;
      const double expected = (loss(up) - loss(down)) / (2.0 * h);
      EXPECT_NEAR(along, expected, tolerance * norm * length / std::sqrt(static_cast<double>(g.size())))
          << node.name << " (" << op_name(node.op) << "), trial " << trial;
    }
  }
}

// A graph under test: nodes between an embedding [11][width] and logits of 11.
struct Bench {
  graph::Graph graph;
  models::Builder b{graph};
  graph::ValueId x;
  exec::Weights weights;
  std::vector<int32_t> tokens;

  explicit Bench(int64_t width, int64_t count = 21) : x(b.embed("embedding", 11, width)) {
    tokens = random_tokens(count, 11, 5);
  }

  void finish(graph::ValueId end, int64_t width) {
    graph.logits = b.linear("logits", end, "output", 11, width);
    ASSERT_TRUE(graph::infer_shapes(graph).ok());
    for (const graph::Parameter& p : graph.parameters) {
      if (!weights.contains(p.name)) weights[p.name] = random_weight(p.shape, 100 + weights.size(), 1.5);
    }
  }

  void check(graph::ValueId end, int64_t width) {
    finish(end, width);
    const std::vector<float> c = random_floats(static_cast<int64_t>(tokens.size()) * 11, 1.0, 3);
    const DoubleOracle oracle(graph, weights, tokens);
    const auto loss = [&](const Change& change) {
      const Doubles logits = oracle.logits(change);
      return std::inner_product(logits.begin(), logits.end(), c.begin(), 0.0);
    };
    expect_differences(graph, gradients_of(*make(graph, weights), tokens, weighted_logits(c)), loss, 2e-5);
  }
};

}  // namespace lowbit::grad

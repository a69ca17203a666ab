// For tests: a graph in double, straight from the definitions of its operations, with libm. Independent of exec, of
// the interpreter and of the kernels.
#pragma once

#include <cmath>
#include <span>
#include <vector>

#include "exec/executor.h"
#include "graph/graph.h"

namespace lowbit::grad {

using Doubles = std::vector<double>;

// `offset` is added to the value `id` after it was computed; -1: to none.
struct Change {
  graph::ValueId id = -1;
  Doubles offset;
};

class DoubleOracle {
 public:
  DoubleOracle(const graph::Graph& graph, const exec::Weights& weights, std::span<const int32_t> tokens)
      : graph_(graph), tokens_(tokens) {
    for (const auto& [name, weight] : weights) {
      const std::vector<float> values = tensor::dequantize(*weight);
      weights_[name] = Doubles(values.begin(), values.end());
    }
  }

  Doubles& weight(const std::string& name) { return weights_.at(name); }

  // Values of all nodes, by id, each [tokens][width].
  std::vector<Doubles> run(const Change& change = {}) const {
    std::vector<Doubles> values(graph_.values.size());
    for (const graph::Node& node : graph_.nodes) {
      Doubles& out = values[static_cast<size_t>(node.output)];
      out.assign(tokens_.size() * width(node.output), 0.0);
      compute(node, values, out);
      if (node.output != change.id) continue;
      for (size_t i = 0; i < out.size(); ++i) out[i] += change.offset[i];
    }
    return values;
  }

  Doubles logits(const Change& change = {}) const { return run(change)[static_cast<size_t>(graph_.logits)]; }

  size_t width(graph::ValueId id) const { return static_cast<size_t>(graph_.values[static_cast<size_t>(id)].width); }

 private:
  void compute(const graph::Node& node, const std::vector<Doubles>& values, Doubles& out) const {
    using Function = void (DoubleOracle::*)(const graph::Node&, const std::vector<Doubles>&, Doubles&) const;
    static constexpr Function kFunctions[] = {
#define LOWBIT_OP(name, inputs, weights) &DoubleOracle::name,
#include "graph/ops.inc"
#undef LOWBIT_OP
    };
    (this->*kFunctions[static_cast<size_t>(node.op)])(node, values, out);
  }

  static const Doubles& in(const graph::Node& node, size_t i, const std::vector<Doubles>& values) {
    return values[static_cast<size_t>(node.inputs[i])];
  }

  void embed(const graph::Node& node, const std::vector<Doubles>&, Doubles& out) const {
    const size_t w = width(node.output);
    for (size_t i = 0; i < out.size(); ++i) {
      out[i] = weights_.at(node.weights[0])[static_cast<size_t>(tokens_[i / w]) * w + i % w];
    }
  }

  void rms_norm(const graph::Node& node, const std::vector<Doubles>& values, Doubles& out) const {
    const size_t w = width(node.output);
    const Doubles& x = in(node, 0, values);
    for (size_t t = 0; t < tokens_.size(); ++t) {
      double squares = 0.0;
      for (size_t i = 0; i < w; ++i) squares += x[t * w + i] * x[t * w + i];
      const double root = std::sqrt(squares / static_cast<double>(w) + static_cast<double>(node.epsilon));
      for (size_t i = 0; i < w; ++i) out[t * w + i] = x[t * w + i] / root * weights_.at(node.weights[0])[i];
    }
  }

  void cast(const graph::Node& node, const std::vector<Doubles>& values, Doubles& out) const {
    out = in(node, 0, values);  // as its gradient sees it
  }

  void linear(const graph::Node& node, const std::vector<Doubles>& values, Doubles& out) const {
    const size_t rows = width(node.output), cols = width(node.inputs[0]);
    const Doubles& x = in(node, 0, values);
    const Doubles& w = weights_.at(node.weights[0]);
    for (size_t i = 0; i < out.size(); ++i) {
      for (size_t c = 0; c < cols; ++c) out[i] += x[i / rows * cols + c] * w[i % rows * cols + c];
    }
  }

  void rope(const graph::Node& node, const std::vector<Doubles>& values, Doubles& out) const {
    const auto dim = static_cast<size_t>(node.rope.dim), half = dim / 2;
    const size_t w = width(node.output);
    const Doubles& x = in(node, 0, values);
    for (size_t i = 0; i < out.size(); ++i) {
      const size_t d = i % dim, pair = node.rope.halves ? d % half : d / 2;
      const bool second = node.rope.halves ? d >= half : d % 2 == 1;
      const size_t other = node.rope.halves ? (second ? i - half : i + half) : (second ? i - 1 : i + 1);
      const double angle = static_cast<double>(i / w) * node.rope.scale *
                           std::pow(node.rope.base, -2.0 * static_cast<double>(pair) / static_cast<double>(dim));
      out[i] = x[i] * std::cos(angle) + (second ? 1.0 : -1.0) * x[other] * std::sin(angle);
    }
  }

  void attention(const graph::Node& node, const std::vector<Doubles>& values, Doubles& out) const {
    const graph::Attention& a = node.attention;
    const size_t qw = width(node.inputs[0]), kw = width(node.inputs[1]), dim = static_cast<size_t>(a.dim);
    const Doubles &q = in(node, 0, values), &k = in(node, 1, values), &v = in(node, 2, values);
    for (size_t t = 0; t < tokens_.size(); ++t) {
      for (size_t head = 0; head < static_cast<size_t>(a.heads); ++head) {
        const size_t kv = head / static_cast<size_t>(a.heads / a.kv_heads);
        Doubles p(t + 1, 0.0);
        double sum = 0.0;
        for (size_t j = 0; j <= t; ++j) {
          double score = 0.0;
          for (size_t d = 0; d < dim; ++d) score += q[t * qw + head * dim + d] * k[j * kw + kv * dim + d];
          sum += p[j] = std::exp(score * static_cast<double>(a.scale));
        }
        for (size_t j = 0; j <= t; ++j) {
          for (size_t d = 0; d < dim; ++d) out[t * qw + head * dim + d] += p[j] / sum * v[j * kw + kv * dim + d];
        }
      }
    }
  }

  void silu_gate(const graph::Node& node, const std::vector<Doubles>& values, Doubles& out) const {
    const Doubles &a = in(node, 0, values), &b = in(node, 1, values);
    for (size_t i = 0; i < out.size(); ++i) out[i] = a[i] / (1.0 + std::exp(-a[i])) * b[i];
  }

  void add(const graph::Node& node, const std::vector<Doubles>& values, Doubles& out) const {
    for (size_t i = 0; i < out.size(); ++i) out[i] = in(node, 0, values)[i] + in(node, 1, values)[i];
  }

  const graph::Graph& graph_;
  std::span<const int32_t> tokens_;
  std::map<std::string, Doubles> weights_;
};

// log softmax of one row of logits.
inline Doubles log_softmax(std::span<const double> logits) {
  double most = logits[0], sum = 0.0;
  for (const double x : logits) most = std::max(most, x);
  for (const double x : logits) sum += std::exp(x - most);
  Doubles result;
  for (const double x : logits) result.push_back(x - most - std::log(sum));
  return result;
}

}  // namespace lowbit::grad

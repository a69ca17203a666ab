// For tests: a graph in double, straight from the definitions of its operations, with libm. Independent of exec, of
// the interpreter and of the kernels.
#pragma once

#include <bit>
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

  void embed_positions(const graph::Node& node, const std::vector<Doubles>&, Doubles& out) const {
    for (size_t i = 0; i < out.size(); ++i) out[i] = weights_.at(node.weights[0])[i];
  }

  void bias(const graph::Node& node, const std::vector<Doubles>& values, Doubles& out) const {
    const size_t w = width(node.output), from = static_cast<size_t>(node.row) * w;
    for (size_t i = 0; i < out.size(); ++i) {
      out[i] = in(node, 0, values)[i] + weights_.at(node.weights[0])[from + i % w];
    }
  }

  void row_bias(const graph::Node& node, const std::vector<Doubles>& values, Doubles& out) const {
    bias(node, values, out);
  }

  void rms_norm(const graph::Node& node, const std::vector<Doubles>& values, Doubles& out) const {
    const size_t w = node.dim > 0 ? static_cast<size_t>(node.dim) : width(node.output);
    const Doubles& x = in(node, 0, values);
    for (size_t t = 0; t < out.size(); t += w) {
      double squares = 0.0;
      for (size_t i = 0; i < w; ++i) squares += x[t + i] * x[t + i];
      const double root = std::sqrt(squares / static_cast<double>(w) + static_cast<double>(node.epsilon));
      for (size_t i = 0; i < w; ++i) out[t + i] = x[t + i] / root * weights_.at(node.weights[0])[i];
    }
  }

  void layer_norm(const graph::Node& node, const std::vector<Doubles>& values, Doubles& out) const {
    const size_t w = width(node.output);
    const Doubles& x = in(node, 0, values);
    for (size_t t = 0; t < out.size(); t += w) {
      double mean = 0.0, squares = 0.0;
      for (size_t i = 0; i < w; ++i) mean += x[t + i] / static_cast<double>(w);
      for (size_t i = 0; i < w; ++i) squares += (x[t + i] - mean) * (x[t + i] - mean);
      const double root = std::sqrt(squares / static_cast<double>(w) + static_cast<double>(node.epsilon));
      for (size_t i = 0; i < w; ++i) out[t + i] = (x[t + i] - mean) / root * weights_.at(node.weights[0])[i];
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

  void top_k(const graph::Node& node, const std::vector<Doubles>& values, Doubles& out) const {
    const size_t experts = width(node.inputs[0]), k = static_cast<size_t>(node.top_k.k);
    for (size_t t = 0; t < tokens_.size(); ++t) {
      const double* x = &in(node, 0, values)[t * experts];
      std::vector<bool> chosen(experts, false);
      for (size_t s = 0; s < k; ++s) {
        size_t best = experts;
        for (size_t i = 0; i < experts; ++i) {
          if (!chosen[i] && (best == experts || x[i] > x[best])) best = i;
        }
        chosen[best] = true;
      }
      double all = 0.0, some = 0.0;
      for (size_t i = 0; i < experts; ++i) {
        all += std::exp(x[i]);
        if (chosen[i]) some += std::exp(x[i]);
      }
      const bool over_all = node.top_k.softmax_all && !node.top_k.renormalise;
      for (size_t i = 0, s = 0; i < experts; ++i) {
        if (!chosen[i]) continue;
        out[t * 2 * k + s] = static_cast<double>(i);
        out[t * 2 * k + k + s++] = std::exp(x[i]) / (over_all ? all : some);
      }
    }
  }

  void expert_linear(const graph::Node& node, const std::vector<Doubles>& values, Doubles& out) const {
    const size_t k = width(node.inputs[1]) / 2, rows = width(node.output) / k;
    const bool slots = graph_.values[static_cast<size_t>(node.inputs[0])].slots > 1;
    const size_t cols = width(node.inputs[0]) / (slots ? k : 1);
    const Doubles &x = in(node, 0, values), &w = weights_.at(node.weights[0]);
    for (size_t i = 0; i < out.size(); ++i) {
      const size_t slot = i / rows;
      const auto expert = static_cast<size_t>(std::lround(in(node, 1, values)[slot / k * 2 * k + slot % k]));
      const double* row = &w[(expert * rows + i % rows) * cols];
      for (size_t c = 0; c < cols; ++c) out[i] += x[(slots ? slot : slot / k) * cols + c] * row[c];
    }
  }

  void combine(const graph::Node& node, const std::vector<Doubles>& values, Doubles& out) const {
    const size_t w = width(node.output), k = width(node.inputs[1]) / 2;
    for (size_t i = 0; i < out.size(); ++i) {
      for (size_t s = 0; s < k; ++s) {
        out[i] += in(node, 1, values)[i / w * 2 * k + k + s] * in(node, 0, values)[(i / w * k + s) * w + i % w];
      }
    }
  }

  void rope(const graph::Node& node, const std::vector<Doubles>& values, Doubles& out) const {
    const graph::Rope& r = node.rope;
    const auto dim = static_cast<size_t>(r.dim), turned = static_cast<size_t>(r.turned_values()), half = turned / 2;
    const size_t w = width(node.output);
    const Doubles& x = in(node, 0, values);
    for (size_t i = 0; i < out.size(); ++i) {
      const size_t d = i % dim, pair = r.halves ? d % half : d / 2;
      if (d >= turned) {
        out[i] = x[i];
        continue;
      }
      const bool second = r.halves ? d >= half : d % 2 == 1;
      const size_t other = r.halves ? (second ? i - half : i + half) : (second ? i - 1 : i + 1);
      const double factor = node.weights.empty() ? 1.0 : weights_.at(node.weights[0])[pair];
      const double angle = static_cast<double>(i / w) * r.scale / factor *
                           std::pow(r.base, -2.0 * static_cast<double>(pair) / static_cast<double>(turned));
      out[i] = r.amplitude * (x[i] * std::cos(angle) + (second ? 1.0 : -1.0) * x[other] * std::sin(angle));
    }
  }

  void hadamard(const graph::Node& node, const std::vector<Doubles>& values, Doubles& out) const {
    const auto n = static_cast<size_t>(node.dim);
    for (size_t i = 0; i < out.size(); ++i) {
      for (size_t j = 0; j < n; ++j) {
        const double sign = std::popcount(i % n & j) % 2 == 0 ? 1.0 : -1.0;
        out[i] += sign * in(node, 0, values)[i / n * n + j] / std::sqrt(static_cast<double>(n));
      }
    }
  }

  static bool sees(const graph::Attention& a, size_t query, size_t key) {
    if (a.causal && key > query) return false;
    const size_t distance = key > query ? key - query : query - key;
    return a.window == 0 || distance < static_cast<size_t>(a.window);
  }

  void attention(const graph::Node& node, const std::vector<Doubles>& values, Doubles& out) const {
    const graph::Attention& a = node.attention;
    const size_t qw = width(node.inputs[0]), kw = width(node.inputs[1]), dim = static_cast<size_t>(a.dim);
    const auto cap = static_cast<double>(a.softcap);
    const Doubles &q = in(node, 0, values), &k = in(node, 1, values), &v = in(node, 2, values);
    for (size_t t = 0; t < tokens_.size(); ++t) {
      for (size_t head = 0; head < static_cast<size_t>(a.heads); ++head) {
        const size_t kv = head / static_cast<size_t>(a.heads / a.kv_heads);
        Doubles p(tokens_.size(), 0.0);
        double sum = 0.0;
        for (size_t j = 0; j < tokens_.size(); ++j) {
          if (!sees(a, t, j)) continue;
          double score = 0.0;
          for (size_t d = 0; d < dim; ++d) score += q[t * qw + head * dim + d] * k[j * kw + kv * dim + d];
          score *= static_cast<double>(a.scale);
          if (cap > 0.0) score = cap * std::tanh(score / cap);
          sum += p[j] = std::exp(score);
        }
        for (size_t j = 0; j < tokens_.size(); ++j) {
          for (size_t d = 0; d < dim; ++d) out[t * qw + head * dim + d] += p[j] / sum * v[j * kw + kv * dim + d];
        }
      }
    }
  }

  void silu_gate(const graph::Node& node, const std::vector<Doubles>& values, Doubles& out) const {
    const Doubles &a = in(node, 0, values), &b = in(node, 1, values);
    for (size_t i = 0; i < out.size(); ++i) out[i] = a[i] / (1.0 + std::exp(-a[i])) * b[i];
  }

  void multiply(const graph::Node& node, const std::vector<Doubles>& values, Doubles& out) const {
    for (size_t i = 0; i < out.size(); ++i) out[i] = in(node, 0, values)[i] * in(node, 1, values)[i];
  }

  void gelu_tanh(const graph::Node& node, const std::vector<Doubles>& values, Doubles& out) const {
    const double root = std::sqrt(2.0 / 3.14159265358979324);
    for (size_t i = 0; i < out.size(); ++i) {
      const double x = in(node, 0, values)[i];
      out[i] = 0.5 * x * (1.0 + std::tanh(root * (x + 0.044715 * x * x * x)));
    }
  }

  void gelu_erf(const graph::Node& node, const std::vector<Doubles>& values, Doubles& out) const {
    for (size_t i = 0; i < out.size(); ++i) {
      const double x = in(node, 0, values)[i];
      out[i] = 0.5 * x * (1.0 + std::erf(x / std::sqrt(2.0)));
    }
  }

  void scale(const graph::Node& node, const std::vector<Doubles>& values, Doubles& out) const {
    for (size_t i = 0; i < out.size(); ++i) out[i] = in(node, 0, values)[i] * static_cast<double>(node.constant);
  }

  void softcap(const graph::Node& node, const std::vector<Doubles>& values, Doubles& out) const {
    const auto cap = static_cast<double>(node.constant);
    for (size_t i = 0; i < out.size(); ++i) out[i] = cap * std::tanh(in(node, 0, values)[i] / cap);
  }

  void slice(const graph::Node& node, const std::vector<Doubles>& values, Doubles& out) const {
    const size_t w = width(node.output), from = width(node.inputs[0]);
    for (size_t i = 0; i < out.size(); ++i) {
      out[i] = in(node, 0, values)[i / w * from + static_cast<size_t>(node.begin) + i % w];
    }
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

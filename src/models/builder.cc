#include "models/blocks.h"

namespace lowbit::models {

using graph::Op;
using graph::ValueId;

ValueId Builder::append(Op op, const std::string& name, std::vector<ValueId> inputs,
                        std::vector<std::string> weights) {
  graph::Node node;
  node.op = op;
  node.name = name;
  node.inputs = std::move(inputs);
  node.weights = std::move(weights);
  return graph_.add(std::move(node));
}

ValueId Builder::embed(const std::string& weight, int64_t vocabulary, int64_t width) {
  graph_.need(weight, {vocabulary, width});
  return append(Op::embed, "embedding", {0}, {weight});
}

ValueId Builder::embed_positions(const std::string& name, const std::string& weight, int64_t positions,
                                 int64_t width) {
  graph_.need(weight, {positions, width});
  return append(Op::embed_positions, name, {0}, {weight});
}

ValueId Builder::row_bias(const std::string& name, ValueId x, const std::string& weight, int64_t row, int64_t rows,
                          int64_t width) {
  graph_.need(weight, {rows, width});
  const ValueId y = append(Op::row_bias, name, {x}, {weight});
  last().row = row;
  return y;
}

ValueId Builder::bias(const std::string& name, ValueId x, const std::string& weight, int64_t width) {
  graph_.need(weight, {width});
  return append(Op::bias, name, {x}, {weight});
}

ValueId Builder::rms_norm(const std::string& name, ValueId x, const std::string& weight, int64_t width,
                          float epsilon) {
  graph_.need(weight, {width});
  const ValueId y = append(Op::rms_norm, name, {x}, {weight});
  last().epsilon = epsilon;
  last().dim = width;
  return y;
}

ValueId Builder::layer_norm(const std::string& name, ValueId x, const std::string& weight, int64_t width,
                            float epsilon) {
  graph_.need(weight, {width});
  const ValueId y = append(Op::layer_norm, name, {x}, {weight});
  last().epsilon = epsilon;
  return y;
}

ValueId Builder::linear(const std::string& name, ValueId x, const std::string& weight, int64_t rows, int64_t cols) {
  graph_.need(weight, {rows, cols});
  return append(Op::linear, name, {x}, {weight});
}

ValueId Builder::top_k(const std::string& name, ValueId x, const graph::TopK& top_k) {
  const ValueId y = append(Op::top_k, name, {x});
  last().top_k = top_k;
  return y;
}

ValueId Builder::expert_linear(const std::string& name, ValueId x, ValueId chosen, const std::string& weight,
                               const std::vector<int64_t>& shape) {
  graph_.need(weight, shape);
  return append(Op::expert_linear, name, {x, chosen}, {weight});
}

ValueId Builder::combine(const std::string& name, ValueId parts, ValueId chosen) {
  return append(Op::combine, name, {parts, chosen});
}

ValueId Builder::add(const std::string& name, ValueId a, ValueId b) { return append(Op::add, name, {a, b}); }
ValueId Builder::multiply(const std::string& name, ValueId a, ValueId b) {
  return append(Op::multiply, name, {a, b});
}
ValueId Builder::silu_gate(const std::string& name, ValueId a, ValueId b) {
  return append(Op::silu_gate, name, {a, b});
}
ValueId Builder::gelu_tanh(const std::string& name, ValueId x) { return append(Op::gelu_tanh, name, {x}); }
ValueId Builder::gelu_erf(const std::string& name, ValueId x) { return append(Op::gelu_erf, name, {x}); }

ValueId Builder::scale(const std::string& name, ValueId x, float factor) {
  const ValueId y = append(Op::scale, name, {x});
  last().constant = factor;
  return y;
}

ValueId Builder::softcap(const std::string& name, ValueId x, float cap) {
  const ValueId y = append(Op::softcap, name, {x});
  last().constant = cap;
  return y;
}

ValueId Builder::slice(const std::string& name, ValueId x, int64_t begin, int64_t columns) {
  const ValueId y = append(Op::slice, name, {x});
  last().begin = begin;
  last().columns = columns;
  return y;
}

ValueId Builder::rope(const std::string& name, ValueId x, const graph::Rope& rope, const std::string& factors) {
  std::vector<std::string> weights;
  if (!factors.empty()) {
    graph_.need(factors, {rope.turned_values() / 2});
    weights.push_back(factors);
  }
  const ValueId y = append(Op::rope, name, {x}, std::move(weights));
  last().rope = rope;
  return y;
}

ValueId Builder::attention(const std::string& name, ValueId q, ValueId k, ValueId v,
                           const graph::Attention& attention) {
  const ValueId y = append(Op::attention, name, {q, k, v});
  last().attention = attention;
  return y;
}

}  // namespace lowbit::models

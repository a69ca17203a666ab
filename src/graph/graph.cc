#include "graph/graph.h"

#include <algorithm>
#include <map>

#include "kernels/matmul/matmul.h"

namespace lowbit::graph {
namespace {

struct OpRow {
  std::string_view name;
  size_t inputs, weights;
};
constexpr OpRow kOps[] = {
#define LOWBIT_OP(name, inputs, weights) {#name, inputs, weights},
#include "graph/ops.inc"
#undef LOWBIT_OP
};

Error width_error(const Node& node, int64_t found, int64_t expected) {
  return errorf("node {} ({}): input is {} wide, expected {}", node.name, op_name(node.op), found, expected);
}

// Width of a node's output; 0 values are tokens.
Result<int64_t> output_width(const Graph& graph, const Node& node) {
  const auto width = [&](size_t i) { return graph.values[static_cast<size_t>(node.inputs[i])].width; };
  const Parameter* weight = node.weights.empty() ? nullptr : graph.parameter(node.weights[0]);
  if (!node.weights.empty() && weight == nullptr) {
    return errorf("node {} ({}): no parameter is called {}", node.name, op_name(node.op), node.weights[0]);
  }
  switch (node.op) {
    case Op::embed:
      return weight->shape.at(1);
    case Op::linear:
      if (width(0) != weight->shape.at(1)) return width_error(node, width(0), weight->shape[1]);
      return weight->shape[0];
    case Op::rms_norm:
      if (width(0) != weight->shape.at(0)) return width_error(node, width(0), weight->shape[0]);
      return width(0);
    case Op::rope:
      if (width(0) != int64_t{node.rope.heads} * node.rope.dim) {
        return width_error(node, width(0), int64_t{node.rope.heads} * node.rope.dim);
      }
      return width(0);
    case Op::attention: {
      const Attention& a = node.attention;
      if (width(0) != int64_t{a.heads} * a.dim) return width_error(node, width(0), int64_t{a.heads} * a.dim);
      for (size_t i : {1u, 2u}) {
        if (width(i) != int64_t{a.kv_heads} * a.dim) return width_error(node, width(i), int64_t{a.kv_heads} * a.dim);
      }
      return width(0);
    }
    case Op::silu_gate:
    case Op::add:
      if (width(0) != width(1)) return width_error(node, width(1), width(0));
      return width(0);
    case Op::cast:
      return width(0);
  }
  return errorf("node {}: unknown operation", node.name);
}

}  // namespace

std::string_view op_name(Op op) { return kOps[static_cast<size_t>(op)].name; }

Graph::Graph() { values.push_back({"tokens", 1, {}, -1}); }

ValueId Graph::add(Node node) {
  const OpRow& row = kOps[static_cast<size_t>(node.op)];
  LOWBIT_CHECK(node.inputs.size() == row.inputs && node.weights.size() == row.weights);
  node.output = static_cast<ValueId>(values.size());
  values.push_back({node.name, 0, {}, static_cast<int32_t>(nodes.size())});
  nodes.push_back(std::move(node));
  return nodes.back().output;
}

void Graph::need(std::string name, std::vector<int64_t> shape) {
  if (parameter(name) == nullptr) parameters.push_back({std::move(name), std::move(shape)});
}

const Parameter* Graph::parameter(std::string_view name) const { return parameters.find(name); }

Status infer_shapes(Graph& graph) {
  for (Node& node : graph.nodes) {
    LOWBIT_ASSIGN(graph.values[static_cast<size_t>(node.output)].width, output_width(graph, node));
  }
  return {};
}

std::vector<int32_t> consumers(const Graph& graph, ValueId value) {
  std::vector<int32_t> found;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const auto& inputs = graph.nodes[i].inputs;
    if (std::find(inputs.begin(), inputs.end(), value) != inputs.end()) found.push_back(static_cast<int32_t>(i));
  }
  return found;
}

std::vector<int32_t> users_of(const Graph& graph, std::string_view parameter) {
  std::vector<int32_t> found;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const auto& names = graph.nodes[i].weights;
    if (std::find(names.begin(), names.end(), parameter) != names.end()) found.push_back(static_cast<int32_t>(i));
  }
  return found;
}

ValueId uncast_input(const Graph& graph, const Node& linear) {
  ValueId value = linear.inputs[0];
  for (;;) {
    const int32_t producer = graph.values[static_cast<size_t>(value)].producer;
    if (producer < 0 || graph.nodes[static_cast<size_t>(producer)].op != Op::cast) return value;
    value = graph.nodes[static_cast<size_t>(producer)].inputs[0];
  }
}

int32_t first_free_node(const Graph& graph) {
  int32_t first = 0;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    if (graph.nodes[i].op == Op::attention) first = static_cast<int32_t>(i) + 1;
  }
  return first;
}

NumericPolicy NumericPolicy::standard() {
  return {formats::parse_format("int8/32:f32").value(), formats::parse_format("f32").value(),
          formats::parse_format("int14/32:f32").value(), formats::parse_format("f16").value()};
}

NumericPolicy NumericPolicy::reference() {
  const formats::Format f32 = formats::parse_format("f32").value();
  return {f32, f32, f32, f32};
}

Graph insert_casts(const Graph& graph, const NumericPolicy& policy,
                   const std::function<std::vector<formats::Format>(const std::string&)>& weight_formats) {
  const formats::Format f32 = formats::parse_format("f32").value();
  Graph result;
  result.parameters = graph.parameters;
  std::map<ValueId, ValueId> moved = {{0, 0}};
  std::map<std::pair<ValueId, std::string>, ValueId> casts;
  for (Node node : graph.nodes) {
    const ValueId old_output = node.output;
    for (ValueId& input : node.inputs) input = moved.at(input);
    if (node.op == Op::attention) node.attention.kv = policy.kv;
    if (node.op == Op::linear) {
      // A weight of several parts is integer only where all parts are: one value feeds them all.
      bool integer = true;
      for (const formats::Format& format : weight_formats(node.weights[0])) {
        integer = integer && format.element.bits <= 8 && formats::integer_form(format.element) != nullptr;
      }
      const bool head = old_output == graph.logits;
      const formats::Format& format = !integer ? policy.other_activations
                                      : head   ? policy.head_activations
                                               : policy.integer_activations;
      if (format != f32) {
        const auto key = std::pair(node.inputs[0], formats::print(format));
        if (!casts.contains(key)) {
          Node cast;
          cast.op = Op::cast;
          cast.name = result.values[static_cast<size_t>(key.first)].name + ":" + key.second;
          cast.inputs = {key.first};
          casts[key] = result.add(std::move(cast));
          result.values.back().format = format;
        }
        node.inputs[0] = casts[key];
      }
    }
    moved[old_output] = result.add(std::move(node));
  }
  result.logits = moved.at(graph.logits);
  LOWBIT_CHECK(infer_shapes(result).ok());
  return result;
}

}  // namespace lowbit::graph

#include "graph/graph.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "kernels/attention/args.h"
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

Result<int64_t> expected_width(const Node& node, int64_t found, int64_t expected) {
  if (found != expected) return width_error(node, found, expected);
  return found;
}

struct Shaping {
  const Graph& graph;
  const Node& node;
  const std::vector<int64_t>* weight;  // shape of the first weight; null where the node has none

  const Value& in(size_t i) const { return graph.values[static_cast<size_t>(node.inputs[i])]; }
  int64_t width(size_t i) const { return in(i).width; }

  Status dimensions(size_t dimensions) const {
    if (weight->size() == dimensions) return {};
    return errorf("node {} ({}): parameter {} has {} dimensions, expected {}", node.name, op_name(node.op),
                  node.weights[0], weight->size(), dimensions);
  }

  Result<int64_t> rope() const {
    const Rope& r = node.rope;
    const int32_t turned = r.turned_values();
    if (turned % 2 != 0 || turned > r.dim || turned <= 0) {
      return errorf("node {} (rope): {} values of a head of {} are turned; expected an even number of them",
                    node.name, turned, r.dim);
    }
    if (weight != nullptr && *weight != std::vector<int64_t>{turned / 2}) {
      return errorf("node {} (rope): parameter {} holds frequency factors, expected {} of them", node.name,
                    node.weights[0], turned / 2);
    }
    return expected_width(node, width(0), int64_t{r.heads} * r.dim);
  }

  Result<int64_t> hadamard() const {
    if (node.dim > 0 && (node.dim & (node.dim - 1)) == 0 && width(0) % node.dim == 0) return width(0);
    return errorf(
        "node {} (hadamard): blocks of {} in an input that is {} wide; expected a power of two that divides it",
        node.name, node.dim, width(0));
  }

  Result<int64_t> attention() const {
    const Attention& a = node.attention;
    for (size_t i : {1u, 2u}) LOWBIT_TRY(expected_width(node, width(i), int64_t{a.kv_heads} * a.dim));
    if (a.integer && !takes_integers(a.kv, a.dim)) {
      return errorf(
          "node {}: attention in integers over a cache of {}, expected small integers with scales every 16, "
          "32, ... columns",
          node.name, formats::print(a.kv));
    }
    return expected_width(node, width(0), int64_t{a.heads} * a.dim);
  }

  Result<int64_t> rms_norm() const {
    const int64_t dim = node.dim > 0 ? node.dim : width(0);
    if (weight->at(0) != dim) return width_error(node, dim, weight->at(0));
    if (dim <= 0 || width(0) % dim != 0) return width_error(node, width(0), dim);
    return width(0);
  }

  Result<int64_t> top_k() const {
    const int64_t k = node.top_k.k;
    if (k >= 1 && k <= width(0)) return 2 * k;
    return errorf("node {} (top_k): {} of {} experts are to be chosen", node.name, k, width(0));
  }

  Result<int64_t> expert_linear() const {
    LOWBIT_TRY(dimensions(3));
    LOWBIT_TRY(expected_width(node, in(0).columns(), weight->at(2)));
    if (in(0).slots != 1) LOWBIT_TRY(expected_width(node, in(0).slots, width(1) / 2));
    return width(1) / 2 * weight->at(1);
  }

  Result<int64_t> slice() const {
    if (node.begin >= 0 && node.columns > 0 && node.begin + node.columns <= width(0)) return node.columns;
    return errorf("node {} (slice): columns {} to {} of an input that is {} wide", node.name, node.begin,
                  node.begin + node.columns, width(0));
  }

  Result<int64_t> same_widths() const { return expected_width(node, width(1), width(0)); }
  Result<int64_t> vector() const { return expected_width(node, width(0), weight->at(0)); }
  Result<int64_t> row() const {
    LOWBIT_TRY(dimensions(2));
    if (node.row < 0 || node.row >= weight->at(0)) {
      return errorf("node {} (row_bias): row {} of a matrix of {}", node.name, node.row, weight->at(0));
    }
    return expected_width(node, width(0), weight->at(1));
  }
  Result<int64_t> looked_up() const {
    LOWBIT_TRY(dimensions(2));
    return weight->at(1);
  }
  Result<int64_t> linear() const {
    LOWBIT_TRY(dimensions(2));
    LOWBIT_TRY(expected_width(node, width(0), weight->at(1)));
    return weight->at(0);
  }
};

// Width of a node's output.
Result<int64_t> output_width(const Graph& graph, const Node& node) {
  const Parameter* weight = node.weights.empty() ? nullptr : graph.parameter(node.weights[0]);
  if (!node.weights.empty() && weight == nullptr) {
    return errorf("node {} ({}): no parameter is called {}", node.name, op_name(node.op), node.weights[0]);
  }
  const Shaping s{graph, node, weight == nullptr ? nullptr : &weight->shape};
  switch (node.op) {
    case Op::embed:
    case Op::embed_positions:
      return s.looked_up();
    case Op::row_bias:
      return s.row();
    case Op::bias:
    case Op::layer_norm:
      return s.vector();
    case Op::rms_norm:
      return s.rms_norm();
    case Op::linear:
      return s.linear();
    case Op::top_k:
      return s.top_k();
    case Op::expert_linear:
      return s.expert_linear();
    case Op::combine:
      LOWBIT_TRY(expected_width(node, s.in(0).slots, s.width(1) / 2));
      return s.in(0).columns();
    case Op::rope:
      return s.rope();
    case Op::hadamard:
      return s.hadamard();
    case Op::attention:
      return s.attention();
    case Op::silu_gate:
    case Op::multiply:
    case Op::add:
      return s.same_widths();
    case Op::slice:
      return s.slice();
    case Op::cast:
    case Op::gelu_tanh:
    case Op::gelu_erf:
    case Op::scale:
    case Op::softcap:
      return s.width(0);
  }
  return errorf("node {}: unknown operation", node.name);
}

// Rows per token of a node's output: operations that work value by value keep those of their input.
int64_t output_slots(const Graph& graph, const Node& node) {
  const auto in = [&](size_t i) { return graph.values[static_cast<size_t>(node.inputs[i])]; };
  switch (node.op) {
    case Op::expert_linear:
      return in(1).width / 2;
    case Op::cast:
    case Op::silu_gate:
    case Op::gelu_tanh:
    case Op::gelu_erf:
    case Op::multiply:
    case Op::add:
    case Op::scale:
    case Op::softcap:
      return in(0).slots;
    default:
      return 1;
  }
}

}  // namespace

std::string_view op_name(Op op) { return kOps[static_cast<size_t>(op)].name; }

Graph::Graph() { values.push_back({"tokens", 1, {}, -1}); }

ValueId Graph::add(Node node) {
  const OpRow& row = kOps[static_cast<size_t>(node.op)];
  const size_t most_weights = node.op == Op::rope ? 1 : row.weights;
  LOWBIT_CHECK(node.inputs.size() == row.inputs);
  LOWBIT_CHECK(node.weights.size() >= row.weights && node.weights.size() <= most_weights);
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
    Value& output = graph.values[static_cast<size_t>(node.output)];
    LOWBIT_ASSIGN(output.width, output_width(graph, node));
    output.slots = output_slots(graph, node);
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

bool is_product(Op op) { return op == Op::linear || op == Op::expert_linear; }

const Node* head_of(const Graph& graph) {
  for (ValueId value = graph.logits; value >= 0;) {
    const int32_t producer = graph.values[static_cast<size_t>(value)].producer;
    if (producer < 0) return nullptr;
    const Node& node = graph.nodes[static_cast<size_t>(producer)];
    if (node.op == Op::linear) return &node;
    if (node.op != Op::scale && node.op != Op::softcap && node.op != Op::bias) return nullptr;
    value = node.inputs[0];
  }
  return nullptr;
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

bool takes_integers(const formats::Format& kv, int64_t dim) {
  if (kv.element.bits > 8 || kv.levels.size() != 1 || kv.levels[0].minimum || kv.levels[0].zero_point) return false;
  const int64_t group = kv.levels[0].group;
  const bool one = group == formats::kGroupRow || group >= dim;
  if (!one && (group <= 0 || group % 16 != 0 || dim > kernels::kMostCodeGroups * group)) return false;
  // Values that two's complement has, none of them -0.
  const auto half = static_cast<float>(kv.element.bits <= 4 ? 8 : 128);
  return std::ranges::all_of(formats::decode_table(kv.element), [half](float v) {
    return v == std::floor(v) && v >= -half && v < half && !(v == 0.0f && std::signbit(v));
  });
}

NumericPolicy NumericPolicy::fast() {
  NumericPolicy policy = standard();
  policy.other_activations = formats::parse_format("bf16").value();
  policy.kv = formats::parse_format("int8/64:f16").value();
  policy.kv_hadamard = KvHadamard::usual(policy.kv);
  policy.integer_attention = true;
  return policy;
}

namespace {

// Puts attention into a graph with the cache that a policy asks for.
class CachedAttention {
 public:
  CachedAttention(Graph& graph, const NumericPolicy& policy) : graph_(graph), policy_(policy) {}

  // Returns what attention gives, turned back.
  ValueId add(Node node) {
    const int64_t dim = node.attention.dim, n = dim & -dim;  // the largest power of two that divides it
    const KvHadamard turn = n > 1 ? policy_.kv_hadamard : KvHadamard{};
    const std::string name = node.name;
    node.attention.kv = policy_.kv;
    node.attention.integer = policy_.integer_attention && takes_integers(policy_.kv, dim);
    if (turn.keys) {
      for (size_t i : {0u, 1u}) node.inputs[i] = turned(node.inputs[i], n);
    }
    if (!turn.values) return graph_.add(std::move(node));
    node.inputs[2] = turned(node.inputs[2], n);
    node.name = turned_name(name, n);
    return hadamard(graph_.add(std::move(node)), n, name);
  }

 private:
  static std::string turned_name(const std::string& name, int64_t n) {
    return name + ":hadamard" + std::to_string(n);
  }
  ValueId turned(ValueId value, int64_t n) {
    const auto [at, is_new] = made_.try_emplace({value, n});
    if (is_new) at->second = hadamard(value, n, turned_name(graph_.values[static_cast<size_t>(value)].name, n));
    return at->second;
  }
  ValueId hadamard(ValueId value, int64_t n, std::string name) {
    Node node;
    node.op = Op::hadamard;
    node.name = std::move(name);
    node.inputs = {value};
    node.dim = n;
    return graph_.add(std::move(node));
  }

  Graph& graph_;
  const NumericPolicy& policy_;
  std::map<std::pair<ValueId, int64_t>, ValueId> made_;
};

}  // namespace

Graph insert_casts(const Graph& graph, const NumericPolicy& policy,
                   const std::function<std::vector<formats::Format>(const std::string&)>& weight_formats) {
  const formats::Format f32 = formats::parse_format("f32").value();
  Graph result;
  result.parameters = graph.parameters;
  const Node* head_node = head_of(graph);
  std::map<ValueId, ValueId> moved = {{0, 0}};
  std::map<std::pair<ValueId, std::string>, ValueId> casts;
  CachedAttention attention(result, policy);
  for (Node node : graph.nodes) {
    const ValueId old_output = node.output;
    for (ValueId& input : node.inputs) input = moved.at(input);
    if (node.op == Op::attention) {
      moved[old_output] = attention.add(std::move(node));
      continue;
    }
    if (is_product(node.op)) {
      // A weight of several parts is integer only where all parts are: one value feeds them all.
      bool integer = true;
      for (const formats::Format& format : weight_formats(node.weights[0])) {
        integer = integer && format.element.bits <= 8 && formats::integer_form(format.element) != nullptr;
      }
      const bool head = head_node != nullptr && old_output == head_node->output;
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

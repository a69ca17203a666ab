#include "exec/steps.h"

#include <utility>

namespace lowbit::exec {
namespace {

using graph::Node;
using graph::Op;

StepKind kind_of(const Node& node) {
  switch (node.op) {
    case Op::linear:
      return StepKind::products;
    case Op::expert_linear:
      return StepKind::experts;
    case Op::attention:
      return StepKind::whole;
    default:
      return StepKind::rows;
  }
}

bool belongs(const Node& node, const Node& first, StepKind kind) {
  if (kind_of(node) != kind || kind == StepKind::whole) return false;
  return kind == StepKind::rows || node.inputs == first.inputs;
}

}  // namespace

void gather_products(graph::Graph& graph) {
  std::vector<Node> from = std::move(graph.nodes);
  std::vector<bool> taken(from.size(), false);
  graph.nodes.clear();
  const auto take = [&](size_t n) {
    taken[n] = true;
    graph.values[static_cast<size_t>(from[n].output)].producer = static_cast<int32_t>(graph.nodes.size());
    graph.nodes.push_back(std::move(from[n]));
  };
  for (size_t n = 0; n < from.size(); ++n) {
    if (taken[n]) continue;
    const Op op = from[n].op;
    const bool gathers = graph::is_product(op);
    const std::vector<graph::ValueId> inputs = from[n].inputs;
    take(n);
    for (size_t m = n + 1; gathers && m < from.size(); ++m) {
      if (taken[m]) continue;
      if (from[m].op == Op::attention) break;
      if (from[m].op == op && from[m].inputs == inputs) take(m);
    }
  }
}

std::vector<Step> find_steps(const graph::Graph& graph) {
  std::vector<Step> steps;
  const auto count = static_cast<int32_t>(graph.nodes.size());
  for (int32_t n = 0; n < count; ++n) {
    const Node& node = graph.nodes[static_cast<size_t>(n)];
    if (!steps.empty()) {
      Step& last = steps.back();
      if (belongs(node, graph.nodes[static_cast<size_t>(last.first)], last.kind)) {
        last.end = n + 1;
        continue;
      }
    }
    steps.push_back({kind_of(node), n, n + 1});
  }
  return steps;
}

}  // namespace lowbit::exec

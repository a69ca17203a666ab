// The steps of a pass: nodes that threads run without waiting for each other in between.
//
// rows      nodes that go row by row, one after the other over a few rows at a time: what one writes the next one
// finds
//           in the nearest cache
// products  linears that read the same value, in one loop over the rows of all weights
// experts   the same of those that a router chose
// whole     one node that divides its work itself
#pragma once

#include <cstdint>
#include <vector>

#include "graph/graph.h"

namespace lowbit::exec {

enum class StepKind : uint8_t { rows, products, experts, whole };
struct Step {
  StepKind kind = StepKind::whole;
  int32_t first = 0, end = 0;  // nodes [first, end)
};

// Moves linears, of experts too, up to the first one that reads the same value, where no attention lies between.
// Values keep their ids.
void gather_products(graph::Graph& graph);

// All nodes of a graph, in order.
std::vector<Step> find_steps(const graph::Graph& graph);

}  // namespace lowbit::exec

// The reference interpreter: the numeric contract in slow, obvious scalar code. Exec must give the same bits.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "tensor/weight.h"

namespace lowbit::graph {

// Values of every node for one sequence from its first token, [tokens][width] each, indexed by ValueId. Values that a
// cast made are decoded to fp32.
Result<std::vector<std::vector<float>>> interpret(
    const Graph& graph, const std::function<const tensor::Weight*(const std::string&)>& weight,
    std::span<const int32_t> tokens);

}  // namespace lowbit::graph

// Attention of the reference interpreter.
#pragma once

#include <span>

#include "graph/graph.h"

namespace lowbit::graph {

// Sum in 16 lanes by index mod 16, then the tree l + (l + 8), + 4, + 2, + 1; the lanes are used up.
float sum_of_lanes(float (&lane)[16]);

// One sequence from its first token: q and out [tokens][heads * dim], k and v [tokens][kv_heads * dim].
void interpret_attention(const Attention& a, std::span<const float> q, std::span<const float> k,
                         std::span<const float> v, std::span<float> out);

}  // namespace lowbit::graph

// The memory nodes of a machine (NUMA): weights are spread over them as the threads that multiply them are.
//
// Thread i of n takes the i-th n-th of a weight's row blocks first (base/threads.h, kernels/matmul). So the threads
// are divided among the nodes in order, and each node's memory holds the row blocks of its own threads.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "base/threads.h"
#include "tensor/weight.h"

namespace lowbit::tensor {

struct Nodes {
  int count = 1;                                                   // that this process may run on
  std::function<void(int node)> run_here;                          // the calling thread runs on this node from now on
  std::function<void(std::span<std::byte> pages, int node)> bind;  // whole large pages that nobody has written to yet
};

// Those of this machine: one where the system has one or does not say.
const Nodes& machine_nodes();

// Each thread of a pool to its node. Nothing where there is one node.
void spread_threads(const Nodes& nodes, ThreadPool& pool);

// Bytes of a range whose rows are divided among the nodes in equal shares.
struct Shared {
  size_t offset, bytes;
};
// Codes, scales and minima of a part that lies at `offset`, each in the order of rows.
void add_shared(const PackedLayout& layout, size_t offset, std::vector<Shared>& out);

// Large pages of `memory` (it begins with one; no page is of two nodes) to the nodes that have the middle of each.
// `shared` ascends.
void spread_pages(const Nodes& nodes, std::span<std::byte> memory, std::span<const Shared> shared);

}  // namespace lowbit::tensor

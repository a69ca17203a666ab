// Weights brought together in memory.
#pragma once

#include "base/result.h"
#include "base/threads.h"
#include "tensor/nodes.h"
#include "tensor/weight.h"

namespace lowbit::tensor {

// The same weights in memory of their own, one behind the other, in large pages where the system has them. Weights
// that several names share are copied once; those that nobody else holds are freed one after the other.
// On a machine of several memory nodes the pool's threads are bound to nodes, and each node gets what its threads
// read.
Result<Weights> copy_weights(Weights weights, ThreadPool& pool, const Nodes& nodes = machine_nodes());

}  // namespace lowbit::tensor

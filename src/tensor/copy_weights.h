// Weights brought together in memory.
#pragma once

#include "base/result.h"
#include "base/threads.h"
#include "tensor/weight.h"

namespace lowbit::tensor {

// The same weights in memory of their own, one behind the other, in large pages where the system has them. Weights
// that several names share are copied once; those that nobody else holds are freed one after the other.
Result<Weights> copy_weights(Weights weights, ThreadPool& pool);

}  // namespace lowbit::tensor

// Which products of few bits are faster by counting bits (kernels::PlaneLimits) on this machine.
#pragma once

#include "base/result.h"
#include "kernels/matmul/matmul.h"

namespace lowbit::cost {

// Up to how many pairs of planes counting was the faster for every product measured: weights of 1 and 2 bits in the
// second-level cache, one thread, one token and 32. Takes some ten milliseconds.
Result<kernels::PlaneLimits> measure_plane_limits(Isa isa);

}  // namespace lowbit::cost

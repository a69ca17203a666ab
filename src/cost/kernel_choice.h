// Which of two kernels that give the same bits is the faster on this machine.
#pragma once

#include "base/result.h"
#include "kernels/matmul/kernel_choice.h"

namespace lowbit::cost {

// Answers one question, by weights in the second-level cache and one thread; takes some ten milliseconds, of planes
// fifty.
Result<int> measure_kernel_choice(Isa isa, kernels::KernelQuestion question);

}  // namespace lowbit::cost

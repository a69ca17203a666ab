// Which of two kernels that give the same bits is the faster on this machine.
#pragma once

#include "base/result.h"
#include "kernels/matmul/matmul.h"

namespace lowbit::cost {

// By weights in the second-level cache and one thread; takes some ten milliseconds. Of planes of bits: up to how many
// pairs counting was the faster for every product measured, weights of 1 and 2 bits, one token and 32. Of bf16:
// columns in pairs or one at a time, 64 tokens. Of codes of 4 bits: by shifts or not, 8 tokens.
Result<kernels::KernelChoice> measure_kernel_choice(Isa isa);

}  // namespace lowbit::cost

// Which of two kernels that give the same bits is the faster on this machine.
#pragma once

#include "base/result.h"
#include "kernels/matmul/matmul.h"

namespace lowbit::cost {

// Answers one question, by weights in the second-level cache and one thread; takes some ten milliseconds, of planes
// a hundred. planes: up to how many pairs counting was the faster for every product measured, weights of 1 and 2
// bits, one token and 32. bf16: columns in pairs or one at a time, 64 tokens. shifts: of codes of 3 bits, 8 tokens.
Status measure_kernel_choice(Isa isa, kernels::KernelQuestion question, kernels::KernelChoice& choice);

}  // namespace lowbit::cost

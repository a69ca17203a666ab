// The choice between kernels of the same bits that is in force.
#pragma once

#include "kernels/matmul/matmul.h"

namespace lowbit::kernels {

// With the answers to this question and to all that were asked before: those of the source where one is set.
KernelChoice kernel_choice(Isa isa, KernelQuestion question);

}  // namespace lowbit::kernels

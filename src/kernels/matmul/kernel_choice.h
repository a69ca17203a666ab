// The choice between kernels of the same bits that is in force.
#pragma once

#include "kernels/matmul/matmul.h"

namespace lowbit::kernels {

// The answer to a question into its part of `choice`: that of the source where one is set.
void choose_kernel(Isa isa, KernelQuestion question, KernelChoice& choice);
// The same by another choice.
void take_choice(const KernelChoice& from, KernelQuestion question, KernelChoice& choice);

}  // namespace lowbit::kernels

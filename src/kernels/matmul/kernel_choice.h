// The choice between kernels of the same bits that is in force.
#pragma once

#include "kernels/matmul/matmul.h"

namespace lowbit::kernels {

// That of the source where one is set.
KernelChoice kernel_choice(Isa isa);

}  // namespace lowbit::kernels

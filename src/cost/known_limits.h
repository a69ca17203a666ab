// The machine's limits, measured once and then kept in the user's cache folder.
#pragma once

#include "cost/limits.h"
#include "kernels/matmul/kernel_choice.h"

namespace lowbit::cost {

// The limits of this machine for the ISA and the threads of the pool: those of limits.json in `folder` where it has
// them, else measured, and kept there for the next time. A folder that cannot be written to is no error; an empty
// name keeps nothing.
Result<MachineLimits> known_limits(Isa isa, ThreadPool& pool, const std::string& folder, const LimitOptions& options,
                                   const ProgressFn& progress = {});

// The same of the answer to a question of kernels, which does not depend on threads: the usual one where it cannot be
// measured.
int known_kernel_choice(Isa isa, kernels::KernelQuestion question, int usual, const std::string& folder);

// Keeps them; ok also where the folder cannot be written to.
void keep_limits(const MachineLimits& limits, const std::string& folder);

}  // namespace lowbit::cost

// GPTQ (Frantar et al. 2022, arXiv 2210.17323) on any grid; scales are chosen before, from the original weights
// ("static groups"), so that columns may be visited in any order.
#pragma once

#include "quant/method.h"
#include "quant/round/gptq_factor.h"

namespace lowbit::quant {

// input.second_moments are needed, input.factor may be given.
Result<MethodOutput> solve_gptq(const MethodInput& input);

}  // namespace lowbit::quant

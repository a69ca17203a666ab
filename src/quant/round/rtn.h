// Round to nearest with scales from the largest magnitude of each group and no search: the baseline that papers call
// RTN, and what one gets from a plain cast.
#pragma once

#include "quant/method.h"

namespace lowbit::quant {

Result<MethodOutput> solve_rtn(const MethodInput& input);

}  // namespace lowbit::quant

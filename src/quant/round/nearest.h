// Each weight to the nearest code of its format, scales chosen per group (choose_group.h).
#pragma once

#include "quant/method.h"

namespace lowbit::quant {

Result<MethodOutput> solve_nearest(const MethodInput& input);

}  // namespace lowbit::quant

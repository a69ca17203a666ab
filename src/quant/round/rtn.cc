#include "quant/round/rtn.h"

#include "quant/round/nearest.h"

namespace lowbit::quant {

Result<MethodOutput> solve_rtn(const MethodInput& input) {
  MethodInput plain = input;
  plain.options.scales.search = ScaleSearch::amax;
  return solve_nearest(plain);
}

}  // namespace lowbit::quant

#include "simd/avx512.h"

#include "kernels/matmul/generic_few.h"

namespace lowbit::kernels::avx512 {

void few(const FusedArgs& args) {
  // Of two planes fields are cut half as often, and masks would leave too few registers.
  if (args.by_shifts && args.plane == 0) return kernels::few<simd::avx512::ShiftingSimd, 1>(args);
  kernels::few<simd::avx512::Simd, 2>(args);
}

}  // namespace lowbit::kernels::avx512

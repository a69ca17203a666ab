#include "simd/avx512.h"

#include "kernels/matmul/generic_few.h"

namespace lowbit::kernels::avx512 {

void few(const FusedArgs& args) {
  args.by_shifts ? kernels::few<simd::avx512::ShiftingSimd>(args) : kernels::few<simd::avx512::Simd>(args);
}

}  // namespace lowbit::kernels::avx512

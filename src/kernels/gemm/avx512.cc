#include "simd/avx512.h"

#include "kernels/gemm/generic.h"

namespace lowbit::kernels::avx512 {

void gemm(const GemmArgs& args) { kernels::gemm<simd::avx512::Simd>(args); }

}  // namespace lowbit::kernels::avx512

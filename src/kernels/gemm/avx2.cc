#include "simd/avx2.h"

#include "kernels/gemm/generic.h"

namespace lowbit::kernels::avx2 {

void gemm(const GemmArgs& args) { kernels::gemm<simd::avx2::Simd>(args); }

}  // namespace lowbit::kernels::avx2

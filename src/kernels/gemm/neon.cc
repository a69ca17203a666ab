#include "simd/neon.h"

#include "kernels/gemm/generic.h"

namespace lowbit::kernels::neon {

void gemm(const GemmArgs& args) { kernels::gemm<simd::neon::Simd>(args); }

}  // namespace lowbit::kernels::neon

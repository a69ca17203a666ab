#include "simd/portable.h"

#include "kernels/gemm/generic.h"

namespace lowbit::kernels::portable {

void gemm(const GemmArgs& args) { kernels::gemm<simd::portable::Simd>(args); }

}  // namespace lowbit::kernels::portable

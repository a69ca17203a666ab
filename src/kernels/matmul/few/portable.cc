#include "simd/portable.h"

#include "kernels/matmul/generic_few.h"

namespace lowbit::kernels::portable {

void few(const FusedArgs& args) { kernels::few<simd::portable::Simd, 2>(args); }

}  // namespace lowbit::kernels::portable

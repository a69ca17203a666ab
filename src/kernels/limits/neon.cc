#include "simd/neon.h"

#include "kernels/limits/generic.h"

namespace lowbit::kernels::neon {

void read_sum(const ReadArgs& args) { kernels::read_sum<simd::neon::Simd>(args); }
void peak_int8(const PeakArgs& args) { kernels::peak_int8<simd::neon::Simd, 4>(args); }
void peak_float(const PeakArgs& args) { kernels::peak_float<simd::neon::Simd, 6, true>(args); }

}  // namespace lowbit::kernels::neon

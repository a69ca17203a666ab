#include "simd/avx2.h"

#include "kernels/limits/generic.h"

namespace lowbit::kernels::avx2 {

void read_sum(const ReadArgs& args) { kernels::read_sum<simd::avx2::Simd>(args); }
void peak_int8(const PeakArgs& args) { kernels::peak_int8<simd::avx2::Simd, 4>(args); }
void peak_float(const PeakArgs& args) { kernels::peak_float<simd::avx2::Simd, 6, true>(args); }

}  // namespace lowbit::kernels::avx2

#include "simd/portable.h"

#include "kernels/limits/generic.h"

namespace lowbit::kernels::portable {

void read_sum(const ReadArgs& args) { kernels::read_sum<simd::portable::Simd>(args); }
void peak_int8(const PeakArgs& args) { kernels::peak_int8<simd::portable::Simd, 2>(args); }
void peak_float(const PeakArgs& args) { kernels::peak_float<simd::portable::Simd, 2>(args); }

}  // namespace lowbit::kernels::portable

#include "simd/avxvnni.h"

#include "kernels/limits/generic.h"

namespace lowbit::kernels::avxvnni {

void peak_int8(const PeakArgs& args) { kernels::peak_int8<simd::avxvnni::Simd, 6>(args); }

}  // namespace lowbit::kernels::avxvnni

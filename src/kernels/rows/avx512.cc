#include "simd/avx512.h"

#include "kernels/rows/generic.h"

namespace lowbit::kernels::avx512 {

void rms_norm(const RmsNormArgs& args) { kernels::rms_norm<simd::avx512::Simd>(args); }
void silu_gate(const SiluGateArgs& args) { kernels::silu_gate<simd::avx512::Simd>(args); }
void add(const AddArgs& args) { kernels::add<simd::avx512::Simd>(args); }
void exp_shifted(const ExpArgs& args) { kernels::exp_shifted<simd::avx512::Simd>(args); }
void widen(const WidenArgs& args) { kernels::widen<simd::avx512::Simd>(args); }
void rope(const RopeArgs& args) { kernels::rope<simd::avx512::Simd>(args); }
void softmax(const SoftmaxArgs& args) { kernels::softmax<simd::avx512::Simd>(args); }
void quantize(const QuantizeArgs& args) { kernels::quantize<simd::avx512::Simd>(args); }

}  // namespace lowbit::kernels::avx512

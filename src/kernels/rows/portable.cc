#include "simd/portable.h"

#include "kernels/rows/generic.h"

namespace lowbit::kernels::portable {

void rms_norm(const RmsNormArgs& args) { kernels::rms_norm<simd::portable::Simd>(args); }
void silu_gate(const SiluGateArgs& args) { kernels::silu_gate<simd::portable::Simd>(args); }
void add(const AddArgs& args) { kernels::add<simd::portable::Simd>(args); }
void exp_shifted(const ExpArgs& args) { kernels::exp_shifted<simd::portable::Simd>(args); }
void widen(const WidenArgs& args) { kernels::widen<simd::portable::Simd>(args); }
void rope(const RopeArgs& args) { kernels::rope<simd::portable::Simd>(args); }
void softmax(const SoftmaxArgs& args) { kernels::softmax<simd::portable::Simd>(args); }
void quantize(const QuantizeArgs& args) { kernels::quantize<simd::portable::Simd>(args); }

}  // namespace lowbit::kernels::portable

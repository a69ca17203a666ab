#include "simd/portable.h"

#include "kernels/rows/generic.h"

namespace lowbit::kernels::portable {

void rms_norm(const RmsNormArgs& args) { kernels::rms_norm<simd::portable::Simd>(args); }
void layer_norm(const LayerNormArgs& args) { kernels::layer_norm<simd::portable::Simd>(args); }
void bias(const BiasArgs& args) { kernels::bias<simd::portable::Simd>(args); }
void gelu_tanh(const UnaryArgs& args) { kernels::gelu_tanh<simd::portable::Simd>(args); }
void gelu_erf(const UnaryArgs& args) { kernels::gelu_erf<simd::portable::Simd>(args); }
void multiply(const MultiplyArgs& args) { kernels::multiply<simd::portable::Simd>(args); }
void scale(const ScaleArgs& args) { kernels::scale<simd::portable::Simd>(args); }
void softcap(const SoftcapArgs& args) { kernels::softcap<simd::portable::Simd>(args); }
void combine(const CombineArgs& args) { kernels::combine<simd::portable::Simd>(args); }
void silu_gate(const SiluGateArgs& args) { kernels::silu_gate<simd::portable::Simd>(args); }
void add(const AddArgs& args) { kernels::add<simd::portable::Simd>(args); }
void exp_shifted(const ExpArgs& args) { kernels::exp_shifted<simd::portable::Simd>(args); }
void rope(const RopeArgs& args) { kernels::rope<simd::portable::Simd>(args); }
void hadamard(const HadamardArgs& args) { kernels::hadamard<simd::portable::Simd>(args); }
void softmax(const SoftmaxArgs& args) { kernels::softmax<simd::portable::Simd>(args); }
void quantize(const QuantizeArgs& args) { kernels::quantize<simd::portable::Simd>(args); }

}  // namespace lowbit::kernels::portable

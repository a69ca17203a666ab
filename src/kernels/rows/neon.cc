#include "simd/neon.h"

#include "kernels/rows/generic.h"

namespace lowbit::kernels::neon {

void rms_norm(const RmsNormArgs& args) { kernels::rms_norm<simd::neon::Simd>(args); }
void layer_norm(const LayerNormArgs& args) { kernels::layer_norm<simd::neon::Simd>(args); }
void bias(const BiasArgs& args) { kernels::bias<simd::neon::Simd>(args); }
void gelu_tanh(const UnaryArgs& args) { kernels::gelu_tanh<simd::neon::Simd>(args); }
void gelu_erf(const UnaryArgs& args) { kernels::gelu_erf<simd::neon::Simd>(args); }
void multiply(const MultiplyArgs& args) { kernels::multiply<simd::neon::Simd>(args); }
void scale(const ScaleArgs& args) { kernels::scale<simd::neon::Simd>(args); }
void softcap(const SoftcapArgs& args) { kernels::softcap<simd::neon::Simd>(args); }
void combine(const CombineArgs& args) { kernels::combine<simd::neon::Simd>(args); }
void silu_gate(const SiluGateArgs& args) { kernels::silu_gate<simd::neon::Simd>(args); }
void add(const AddArgs& args) { kernels::add<simd::neon::Simd>(args); }
void exp_shifted(const ExpArgs& args) { kernels::exp_shifted<simd::neon::Simd>(args); }
void rope(const RopeArgs& args) { kernels::rope<simd::neon::Simd>(args); }
void hadamard(const HadamardArgs& args) { kernels::hadamard<simd::neon::Simd>(args); }
void softmax(const SoftmaxArgs& args) { kernels::softmax<simd::neon::Simd>(args); }
void quantize(const QuantizeArgs& args) { kernels::quantize<simd::neon::Simd>(args); }

}  // namespace lowbit::kernels::neon

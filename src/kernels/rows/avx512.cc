#include "simd/avx512.h"

#include "kernels/rows/generic.h"

namespace lowbit::kernels::avx512 {

void rms_norm(const RmsNormArgs& args) { kernels::rms_norm<simd::avx512::Simd>(args); }
void layer_norm(const LayerNormArgs& args) { kernels::layer_norm<simd::avx512::Simd>(args); }
void bias(const BiasArgs& args) { kernels::bias<simd::avx512::Simd>(args); }
void gelu_tanh(const UnaryArgs& args) { kernels::gelu_tanh<simd::avx512::Simd>(args); }
void gelu_erf(const UnaryArgs& args) { kernels::gelu_erf<simd::avx512::Simd>(args); }
void multiply(const MultiplyArgs& args) { kernels::multiply<simd::avx512::Simd>(args); }
void scale(const ScaleArgs& args) { kernels::scale<simd::avx512::Simd>(args); }
void softcap(const SoftcapArgs& args) { kernels::softcap<simd::avx512::Simd>(args); }
void combine(const CombineArgs& args) { kernels::combine<simd::avx512::Simd>(args); }
void silu_gate(const SiluGateArgs& args) { kernels::silu_gate<simd::avx512::Simd>(args); }
void add(const AddArgs& args) { kernels::add<simd::avx512::Simd>(args); }
void exp_shifted(const ExpArgs& args) { kernels::exp_shifted<simd::avx512::Simd>(args); }
void rope(const RopeArgs& args) { kernels::rope<simd::avx512::Simd>(args); }
void hadamard(const HadamardArgs& args) { kernels::hadamard<simd::avx512::Simd>(args); }
void softmax(const SoftmaxArgs& args) { kernels::softmax<simd::avx512::Simd>(args); }
void quantize(const QuantizeArgs& args) { kernels::quantize<simd::avx512::Simd>(args); }

}  // namespace lowbit::kernels::avx512

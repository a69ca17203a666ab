#include "simd/avx2.h"

#include "kernels/rows/generic.h"

namespace lowbit::kernels::avx2 {

void rms_norm(const RmsNormArgs& args) { kernels::rms_norm<simd::avx2::Simd>(args); }
void layer_norm(const LayerNormArgs& args) { kernels::layer_norm<simd::avx2::Simd>(args); }
void bias(const BiasArgs& args) { kernels::bias<simd::avx2::Simd>(args); }
void gelu_tanh(const UnaryArgs& args) { kernels::gelu_tanh<simd::avx2::Simd>(args); }
void gelu_erf(const UnaryArgs& args) { kernels::gelu_erf<simd::avx2::Simd>(args); }
void multiply(const MultiplyArgs& args) { kernels::multiply<simd::avx2::Simd>(args); }
void scale(const ScaleArgs& args) { kernels::scale<simd::avx2::Simd>(args); }
void softcap(const SoftcapArgs& args) { kernels::softcap<simd::avx2::Simd>(args); }
void combine(const CombineArgs& args) { kernels::combine<simd::avx2::Simd>(args); }
void silu_gate(const SiluGateArgs& args) { kernels::silu_gate<simd::avx2::Simd>(args); }
void add(const AddArgs& args) { kernels::add<simd::avx2::Simd>(args); }
void exp_shifted(const ExpArgs& args) { kernels::exp_shifted<simd::avx2::Simd>(args); }
void rope(const RopeArgs& args) { kernels::rope<simd::avx2::Simd>(args); }
void hadamard(const HadamardArgs& args) { kernels::hadamard<simd::avx2::Simd>(args); }
void softmax(const SoftmaxArgs& args) { kernels::softmax<simd::avx2::Simd>(args); }
void quantize(const QuantizeArgs& args) { kernels::quantize<simd::avx2::Simd>(args); }

}  // namespace lowbit::kernels::avx2

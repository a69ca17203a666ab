#include "kernels/rows/rows.h"

#include "kernels/list.h"

namespace lowbit::kernels {

void rms_norm(Isa isa, const RmsNormArgs& args) { k_rms_norm.at(isa)(args); }
void layer_norm(Isa isa, const LayerNormArgs& args) { k_layer_norm.at(isa)(args); }
void bias(Isa isa, const BiasArgs& args) { k_bias.at(isa)(args); }
void gelu_tanh(Isa isa, const UnaryArgs& args) { k_gelu_tanh.at(isa)(args); }
void gelu_erf(Isa isa, const UnaryArgs& args) { k_gelu_erf.at(isa)(args); }
void multiply(Isa isa, const MultiplyArgs& args) { k_multiply.at(isa)(args); }
void scale(Isa isa, const ScaleArgs& args) { k_scale.at(isa)(args); }
void softcap(Isa isa, const SoftcapArgs& args) { k_softcap.at(isa)(args); }
void combine(Isa isa, const CombineArgs& args) { k_combine.at(isa)(args); }
void silu_gate(Isa isa, const SiluGateArgs& args) { k_silu_gate.at(isa)(args); }
void add(Isa isa, const AddArgs& args) { k_add.at(isa)(args); }
void exp_shifted(Isa isa, const ExpArgs& args) { k_exp_shifted.at(isa)(args); }
void rope(Isa isa, const RopeArgs& args) { k_rope.at(isa)(args); }
void hadamard(Isa isa, const HadamardArgs& args) { k_hadamard.at(isa)(args); }
void softmax(Isa isa, const SoftmaxArgs& args) { k_softmax.at(isa)(args); }
void quantize(Isa isa, const QuantizeArgs& args) {
  QuantizeArgs g = args;
  // Whole groups without gaps are as well those of one row: scales of 16 groups are found at once.
  if (g.plane == 0 && g.code_stride == g.cols && g.cols % g.group == 0) {
    g.cols = g.code_stride = g.rows * g.cols;
    g.rows = g.rows > 0 ? 1 : 0;
  }
  k_quantize.at(isa)(g);
}

}  // namespace lowbit::kernels

// Operations on rows of activations, dispatched by ISA; bit-equal on all of them (numeric class: consistent).
#pragma once

#include "base/cpu.h"
#include "kernels/rows/args.h"

namespace lowbit::kernels {

void rms_norm(Isa isa, const RmsNormArgs& args);
void layer_norm(Isa isa, const LayerNormArgs& args);
void bias(Isa isa, const BiasArgs& args);
void gelu_tanh(Isa isa, const UnaryArgs& args);
void gelu_erf(Isa isa, const UnaryArgs& args);
void multiply(Isa isa, const MultiplyArgs& args);
void scale(Isa isa, const ScaleArgs& args);
void softcap(Isa isa, const SoftcapArgs& args);
void combine(Isa isa, const CombineArgs& args);
void silu_gate(Isa isa, const SiluGateArgs& args);
void add(Isa isa, const AddArgs& args);
void exp_shifted(Isa isa, const ExpArgs& args);
void rope(Isa isa, const RopeArgs& args);
void hadamard(Isa isa, const HadamardArgs& args);
void softmax(Isa isa, const SoftmaxArgs& args);
void quantize(Isa isa, const QuantizeArgs& args);

}  // namespace lowbit::kernels

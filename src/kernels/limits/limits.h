// The most that this machine does: bytes read, multiply-adds of integers and of floats. Each call runs on one thread.
#pragma once

#include "base/cpu.h"
#include "kernels/limits/args.h"

namespace lowbit::kernels {

void read_sum(Isa isa, const ReadArgs& args);
void peak_int8(Isa isa, const PeakArgs& args);
void peak_float(Isa isa, const PeakArgs& args);

// Products of int8 by tiles; false where there are none, and nothing is done.
bool peak_tiles(Isa isa, const PeakArgs& args);

// Products of bf16 pairs in one instruction; false where this processor or ISA has none, and nothing is done.
bool has_bf16_products(Isa isa);
bool peak_bf16(Isa isa, const PeakArgs& args);

}  // namespace lowbit::kernels

// How far ahead the kernels of few tokens ask for weights.
#pragma once

#include "base/cpu.h"
#include "kernels/matmul/args.h"

namespace lowbit::kernels {

// Measured: docs/decisions/asking-twice.md, reading-in-streams.md, products-on-avx2.md.
AskedAhead asked_ahead(Isa isa, int64_t tokens);

// Bytes of what some thread begins with, which nothing before could ask for.
int64_t first_bytes(const AskedAhead& ahead);

}  // namespace lowbit::kernels

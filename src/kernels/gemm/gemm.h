// fp32 products with a fixed order of operations.
#pragma once

#include "base/cpu.h"
#include "kernels/gemm/args.h"

namespace lowbit::kernels {

// C += A * B: every output is one chain acc = fma(A[i][p], B[p][j], acc), p ascending from 0, starting from C[i][j];
// bit-equal on every ISA and however m and n are split (numeric class: consistent). Single-threaded.
void gemm(Isa isa, const GemmArgs& args);

// The same for row-major A (stride 1 along k).
inline void gemm_chain(Isa isa, int64_t m, int64_t n, int64_t k, const float* a, int64_t lda, const float* b,
                       int64_t ldb, float* c, int64_t ldc) {
  gemm(isa, GemmArgs{m, n, k, a, lda, 1, b, ldb, c, ldc});
}

// The definition, in plain scalar code.
void gemm_oracle(const GemmArgs& args);

}  // namespace lowbit::kernels

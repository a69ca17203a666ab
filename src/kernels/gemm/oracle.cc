#include <cmath>

#include "kernels/gemm/gemm.h"

namespace lowbit::kernels {

void gemm_oracle(const GemmArgs& g) {
  for (int64_t i = 0; i < g.m; ++i) {
    for (int64_t j = 0; j < g.n; ++j) {
      float acc = g.c[i * g.ldc + j];
      for (int64_t p = 0; p < g.k; ++p) acc = std::fma(g.a[i * g.a_row + p * g.a_col], g.b[p * g.ldb + j], acc);
      g.c[i * g.ldc + j] = acc;
    }
  }
}

}  // namespace lowbit::kernels

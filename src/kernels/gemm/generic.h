// The fp32 product with one chain of fused multiply-adds per output, k ascending, starting from C.
// Sixteen outputs side by side in a vector, kFloatTile rows of A in a register tile.
#pragma once

#include "kernels/gemm/args.h"

namespace lowbit::kernels {

template <class S, int Rows>
static inline void gemm_tile(const GemmArgs& g, int64_t row, int64_t col) {
  typename S::Float acc[Rows];
  const float* a[Rows];
  for (int r = 0; r < Rows; ++r) {
    acc[r] = S::load(g.c + (row + r) * g.ldc + col);
    a[r] = g.a + (row + r) * g.a_row;
  }
  const float* b = g.b + col;
  for (int64_t p = 0; p < g.k; ++p) {
    const typename S::Float w = S::load(b);
    b += g.ldb;
    for (int r = 0; r < Rows; ++r) acc[r] = S::fma(S::broadcast(a[r][p * g.a_col]), w, acc[r]);
  }
  for (int r = 0; r < Rows; ++r) S::store(g.c + (row + r) * g.ldc + col, acc[r]);
}

// The last n % 16 columns: the same chain, through a padded copy of C and of each row of B.
template <class S>
static inline void gemm_edge(const GemmArgs& g, int64_t row, int64_t col) {
  const int left = static_cast<int>(g.n - col);
  float padded[16] = {};
  for (int i = 0; i < left; ++i) padded[i] = g.c[row * g.ldc + col + i];
  typename S::Float acc = S::load(padded);
  float b[16] = {};
  for (int64_t p = 0; p < g.k; ++p) {
    for (int i = 0; i < left; ++i) b[i] = g.b[p * g.ldb + col + i];
    acc = S::fma(S::broadcast(g.a[row * g.a_row + p * g.a_col]), S::load(b), acc);
  }
  S::store(padded, acc);
  for (int i = 0; i < left; ++i) g.c[row * g.ldc + col + i] = padded[i];
}

template <class S>
static inline void gemm(const GemmArgs& g) {
  for (int64_t col = 0; col < g.n; col += 16) {
    if (g.n - col < 16) {
      for (int64_t row = 0; row < g.m; ++row) gemm_edge<S>(g, row, col);
      return;
    }
    int64_t row = 0;
    for (; row + S::kFloatTile <= g.m; row += S::kFloatTile) gemm_tile<S, S::kFloatTile>(g, row, col);
    for (; row + 2 <= g.m; row += 2) gemm_tile<S, 2>(g, row, col);
    for (; row < g.m; ++row) gemm_tile<S, 1>(g, row, col);
  }
}

}  // namespace lowbit::kernels

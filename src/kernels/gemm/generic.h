// The fp32 product with one chain of fused multiply-adds per output, k ascending, starting from C.
//
// Sixteen outputs side by side in a vector, kFloatTile rows of A in a register tile. Blocks of B are copied into
// panels of 16 columns, and rows of a transposed A into tiles, so that the inner loop reads both one after the other;
// a chain that is cut at a block of k goes on from C, which changes no bit.
#pragma once

#include "kernels/gemm/args.h"

namespace lowbit::kernels {

constexpr int64_t kGemmDepth = 256;    // of a block of k
constexpr int64_t kGemmPanels = 8;     // panels of 16 columns that share a packed tile of A
constexpr int64_t kGemmLeastRows = 4;  // fewer rows do not pay for packing B

// The operands of a register tile: A as pointers to rows (stride a_step along k), B as panel (stride b_step).
struct GemmTile {
  const float* a;
  int64_t a_row, a_step;
  const float* b;
  int64_t b_step;
  int64_t depth;
  float* c;
  int64_t ldc;
  int64_t width;  // columns that exist, at most 16
};

template <class S, int Rows>
static inline void gemm_tile(const GemmTile& t) {
  typename S::Float acc[Rows];
  float edge[16];
  for (int r = 0; r < Rows; ++r) {
    const float* c = t.c + r * t.ldc;
    if (t.width < 16) {
      for (int i = 0; i < 16; ++i) edge[i] = i < t.width ? c[i] : 0.0f;
      c = edge;
    }
    acc[r] = S::load(c);
  }
  const float* a = t.a;
  const float* b = t.b;
  for (int64_t p = 0; p < t.depth; ++p) {
    const typename S::Float w = S::load(b);
    for (int r = 0; r < Rows; ++r) acc[r] = S::fma(S::broadcast(a[r * t.a_row]), w, acc[r]);
    a += t.a_step;
    b += t.b_step;
  }
  for (int r = 0; r < Rows; ++r) {
    if (t.width == 16) {
      S::store(t.c + r * t.ldc, acc[r]);
    } else {
      S::store(edge, acc[r]);
      for (int i = 0; i < t.width; ++i) t.c[r * t.ldc + i] = edge[i];
    }
  }
}

// Tiles of `rows` rows, at most kFloatTile.
template <class S>
static inline void gemm_rows(int64_t rows, const GemmTile& t) {
  GemmTile part = t;
  while (rows >= S::kFloatTile) {
    gemm_tile<S, S::kFloatTile>(part);
    part.a += S::kFloatTile * part.a_row;
    part.c += S::kFloatTile * part.ldc;
    rows -= S::kFloatTile;
  }
  for (; rows >= 2; rows -= 2) {
    gemm_tile<S, 2>(part);
    part.a += 2 * part.a_row;
    part.c += 2 * part.ldc;
  }
  if (rows == 1) gemm_tile<S, 1>(part);
}

// Columns [col, col + 16 * panels) of B, rows [first, first + depth), as panels of [depth][16]; columns beyond n are
// 0.
template <class S>
static inline void pack_panels(const GemmArgs& g, int64_t first, int64_t depth, int64_t col, int64_t cols,
                               float* out) {
  for (int64_t j = 0; j < cols; j += 16) {
    const int64_t width = cols - j < 16 ? cols - j : 16;
    for (int64_t p = 0; p < depth; ++p, out += 16) {
      const float* b = g.b + (first + p) * g.ldb + col + j;
      if (width == 16) {
        S::store(out, S::load(b));
      } else {
        for (int64_t i = 0; i < 16; ++i) out[i] = i < width ? b[i] : 0.0f;
      }
    }
  }
}

// One block of B in panels against all rows of A.
template <class S>
static inline void gemm_block(const GemmArgs& g, int64_t first, int64_t depth, int64_t col, int64_t cols,
                              const float* panels) {
  float packed[S::kFloatTile * kGemmDepth];
  for (int64_t row = 0; row < g.m; row += S::kFloatTile) {
    const int64_t rows = g.m - row < S::kFloatTile ? g.m - row : S::kFloatTile;
    GemmTile t{g.a + row * g.a_row + first * g.a_col, g.a_row, g.a_col, nullptr, 16, depth, nullptr, g.ldc, 16};
    if (g.a_col != 1) {
      for (int64_t p = 0; p < depth; ++p) {
        for (int64_t r = 0; r < rows; ++r) packed[p * S::kFloatTile + r] = t.a[r * g.a_row + p * g.a_col];
      }
      t.a = packed;
      t.a_row = 1;
      t.a_step = S::kFloatTile;
    }
    for (int64_t j = 0; j < cols; j += 16) {
      t.b = panels + j * depth;
      t.c = g.c + row * g.ldc + col + j;
      t.width = cols - j < 16 ? cols - j : 16;
      gemm_rows<S>(rows, t);
    }
  }
}

// Few rows, or a B that is one panel already: straight from where the operands lie.
template <class S>
static inline void gemm_direct(const GemmArgs& g) {
  for (int64_t col = 0; col + 16 <= g.n; col += 16) {
    gemm_rows<S>(g.m, {g.a, g.a_row, g.a_col, g.b + col, g.ldb, g.k, g.c + col, g.ldc, 16});
  }
}

template <class S>
static inline void gemm(const GemmArgs& g) {
  const bool panel = g.n == 16 && g.ldb == 16;
  GemmArgs rest = g;
  if (panel || g.m < kGemmLeastRows) {
    gemm_direct<S>(g);
    const int64_t done = g.n / 16 * 16;
    rest.n -= done;
    rest.b += done;
    rest.c += done;
  }
  float panels[kGemmPanels * 16 * kGemmDepth];
  for (int64_t col = 0; col < rest.n; col += kGemmPanels * 16) {
    const int64_t cols = rest.n - col < kGemmPanels * 16 ? rest.n - col : kGemmPanels * 16;
    for (int64_t first = 0; first < rest.k; first += kGemmDepth) {
      const int64_t depth = rest.k - first < kGemmDepth ? rest.k - first : kGemmDepth;
      pack_panels<S>(rest, first, depth, col, cols, panels);
      gemm_block<S>(rest, first, depth, col, cols, panels);
    }
  }
}

}  // namespace lowbit::kernels

// Activations in the order of tiles, and their sums.
#pragma once

#include "kernels/matmul/args.h"

namespace lowbit::kernels {

using EightWords = int32_t __attribute__((vector_size(32)));

// Rows become columns.
static inline void transpose(EightWords (&r)[8]) {
  EightWords a[8], b[8];
  for (int i = 0; i < 8; i += 2) {
    a[i] = __builtin_shufflevector(r[i], r[i + 1], 0, 8, 2, 10, 4, 12, 6, 14);
    a[i + 1] = __builtin_shufflevector(r[i], r[i + 1], 1, 9, 3, 11, 5, 13, 7, 15);
  }
  for (int i = 0; i < 8; i += 4) {
    for (int j = 0; j < 2; ++j) {
      b[i + j] = __builtin_shufflevector(a[i + j], a[i + j + 2], 0, 1, 8, 9, 4, 5, 12, 13);
      b[i + j + 2] = __builtin_shufflevector(a[i + j], a[i + j + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    }
  }
  for (int i = 0; i < 4; ++i) {
    r[i] = __builtin_shufflevector(b[i], b[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    r[i + 4] = __builtin_shufflevector(b[i], b[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
}

// `count` words of each of some rows, `stride` bytes apart, word by word: out [count][rows].
template <class S>
static inline void interleave(const InterleaveArgs& g) {
  const auto* from = static_cast<const uint8_t*>(g.in);
  auto* out = static_cast<uint8_t*>(g.out);
  int64_t at = 0;
  // Eight words of eight rows at a time. What is written for rows that are not there is written over, and ends before
  // the last word does.
  for (; g.rows <= 8 && g.rows * (g.count - at - 8) >= 8 - g.rows; at += 8) {
    EightWords r[8];
    for (int64_t i = 0; i < 8; ++i) __builtin_memcpy(&r[i], from + (i < g.rows ? i : 0) * g.stride + 4 * at, 32);
    transpose(r);
    for (int64_t i = 0; i < 8; ++i) __builtin_memcpy(out + 4 * g.rows * (at + i), &r[i], 32);
  }
  for (; at < g.count; ++at) {
    for (int64_t i = 0; i < g.rows; ++i)
      __builtin_memcpy(out + 4 * (g.rows * at + i), from + i * g.stride + 4 * at, 4);
  }
}

// Sums of a tile's codes over stretches, all its tokens at once.
template <class S>
static inline void tile_sums(const TileSumArgs& g) {
  const typename S::Bytes ones = S::bytes_broadcast4(reinterpret_cast<const int8_t*>("\1\1\1\1"));
  const int64_t bytes = 4 * g.tokens;
  for (int64_t s = 0; s < g.stretch_count; ++s) {
    typename S::Int sum = S::int_zero();
    for (int64_t u = g.stretches[s].begin_unit - g.first_unit; u < g.stretches[s].end_unit - g.first_unit; ++u) {
      const int8_t* at = g.codes + bytes * u;
      int8_t last[64];  // what lies behind is another thread's
      if (bytes * u + 64 > bytes * g.units) {
        __builtin_memcpy(last, at, static_cast<size_t>(bytes));
        at = last;
      }
      sum = S::dot(sum, ones, S::bytes_load(at));
    }
    int32_t lanes[16];
    __builtin_memcpy(lanes, &sum, sizeof lanes);
    __builtin_memcpy(g.sums + g.tokens * s, lanes, 4 * static_cast<size_t>(g.tokens));
  }
}

// Those of tokens that lie by rows.
template <class S>
static inline void sums(const SumArgs& g) {
  for (int64_t t = 0; t < g.tokens; ++t) {
    for (int64_t s = 0; s < g.stretch_count; ++s) {
      const int8_t* a = g.codes + t * g.code_stride;
      int32_t sum = 0;
      for (int64_t i = 4 * g.stretches[s].begin_unit; i < 4 * g.stretches[s].end_unit; ++i) {
        sum += g.plane == 0 ? a[i] : 128 * a[g.plane + i] + a[i];
      }
      g.sums[t * g.stretch_count + s] = sum;
    }
  }
}

}  // namespace lowbit::kernels

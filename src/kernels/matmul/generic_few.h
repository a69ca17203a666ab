// Integer dot products of some more tokens than `fused` takes, straight from packed codes too: one row block, whose
// sums of a tile of tokens fill the registers. Only where dot() takes every code. Too few tokens to pay for a way
// through memory.
#pragma once

#include "kernels/matmul/generic_fused.h"

namespace lowbit::kernels {

template <class S, int Bits, CodeMap Map, int Tokens>
struct FewTile {
  const FusedArgs& g;
  bool more;  // offsets or minima
  const int8_t* x;
  int64_t entry;
  typename S::Float acc[1][Tokens];
  typename S::Int sum[1][Tokens];

  LOWBIT_INLINE void begin() {
    for (int t = 0; t < Tokens; ++t) sum[0][t] = S::int_broadcast(g.stretch.activations.starts[entry + t]);
  }
  LOWBIT_INLINE void end(int64_t s) {
    const int64_t group = g.stretch.stretches[s].weight_group;
    more ? end_stretch<S, true>(g.stretch, group, 0, entry, sum, acc)
         : end_stretch<S, false>(g.stretch, group, 0, entry, sum, acc);
    entry += Tokens;
  }
  template <int J>
  LOWBIT_INLINE void unit(const uint8_t* step) {
    if constexpr (J < Bits) __builtin_prefetch(step + kWeightsAhead + 64 * J, 0, 2);
    const typename S::Bytes w = mapped<S, Map>(g, unit_codes<S, Bits, J>(step));
    for (int t = 0; t < Tokens; ++t) {
      const typename S::Bytes a = S::bytes_broadcast4(x + 4 * (J * Tokens + t));
      sum[0][t] = S::dot(sum[0][t], w, a);
    }
  }
  LOWBIT_INLINE void first_half(const uint8_t* step) {
    unit<0>(step);
    unit<1>(step);
    unit<2>(step);
    unit<3>(step);
  }
  LOWBIT_INLINE void second_half(const uint8_t* step) {
    unit<4>(step);
    unit<5>(step);
    unit<6>(step);
    unit<7>(step);
    x += 32 * Tokens;
  }
};

template <class S, int Bits, CodeMap Map, int Tokens>
static inline void few_tile(const FusedArgs& given, int64_t token) {
  const FusedArgs g = given;
  FewTile<S, Bits, Map, Tokens> tile{g,
                                     g.stretch.offsets != nullptr || g.stretch.minimums != nullptr,
                                     g.codes + token * g.code_stride,
                                     token * g.stretch.stretch_count,
                                     {},
                                     {}};
  for (int t = 0; t < Tokens; ++t) tile.acc[0][t] = S::zero();
  constexpr int64_t kStep = 64 * Bits;
  const uint8_t* step = g.packed;
  int64_t units = 0;
  if (g.stretch_units == 4) {
    for (int64_t s = 0; s < g.stretch.stretch_count; s += 2, step += kStep) {
      tile.begin();
      tile.first_half(step);
      tile.end(s);
      if (s + 1 == g.stretch.stretch_count) break;
      tile.begin();
      tile.second_half(step);
      tile.end(s + 1);
    }
  } else {
    for (int64_t s = 0; s < g.stretch.stretch_count; ++s) {
      tile.begin();
      // The last stretch may end inside a step: activations beyond the row are 0.
      for (const int64_t end = g.stretch.stretches[s].end_unit; units < end; units += 8, step += kStep) {
        tile.first_half(step);
        tile.second_half(step);
      }
      tile.end(s);
    }
  }
  float* out = g.out + token * g.out_stride;
  for (int t = 0; t < Tokens; ++t) S::store(out + t * g.out_stride, tile.acc[0][t]);
}

// The tile of `size` tokens, at most Most. More than kFewTile tokens give tiles of half of it at least.
template <class S, int Bits, CodeMap Map, int Most>
static inline void few_tile_of(const FusedArgs& g, int64_t token, int64_t size) {
  if constexpr (2 * Most >= S::kFewTile) {
    if (size == Most) return few_tile<S, Bits, Map, Most>(g, token);
    few_tile_of<S, Bits, Map, Most - 1>(g, token, size);
  }
}

template <class S, int Bits, CodeMap Map>
static inline void few_tokens(const FusedArgs& g) {
  for_each_tile(g.tokens, S::kFewTile,
                [&](int64_t token, int64_t size) { few_tile_of<S, Bits, Map, S::kFewTile>(g, token, size); });
}

template <class S, int Bits>
static inline void few_map(const FusedArgs& g) {
  if constexpr (Bits <= 6) {
    constexpr CodeMap kTable = Bits <= 4 ? CodeMap::lookup16 : CodeMap::lookup64;
    if (g.map != CodeMap::exclusive_or) return few_tokens<S, Bits, kTable>(g);
  }
  few_tokens<S, Bits, CodeMap::exclusive_or>(g);
}

template <class S>
static inline void few(const FusedArgs& g) {
  using Fn = void (*)(const FusedArgs&);
  static constexpr Fn kBits[] = {few_map<S, 1>, few_map<S, 2>, few_map<S, 3>, few_map<S, 4>,
                                 few_map<S, 5>, few_map<S, 6>, few_map<S, 7>, few_map<S, 8>};
  kBits[g.bits - 1](g);
}

template <class S>
static inline void fused_or_few(const FusedArgs& g) {
  if constexpr (S::kFewTile > 0) {
    if (g.tokens > kFusedTokens) return few<S>(g);
  }
  fused<S>(g);
}

}  // namespace lowbit::kernels

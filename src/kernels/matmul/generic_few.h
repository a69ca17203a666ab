// Integer dot products of some more tokens than `fused` takes, straight from packed codes too: one row block, whose
// sums of a tile of tokens fill the registers. Only where dot() takes every code. Too few tokens to pay for a way
// through memory.
#pragma once

#include "kernels/matmul/generic_fused.h"

namespace lowbit::kernels {

// Planes: of activations (DotArgs::plane). Spans: they are long.
template <class S, int Bits, CodeMap Map, int Tokens, int Planes, bool Spans>
struct FewTile {
  static constexpr bool kBrief = false;
  const FusedArgs& g;
  bool more;  // offsets or minima
  const int8_t* x;
  int64_t entry;
  typename S::Float acc[1][Tokens], inner[1][Tokens];  // of the row; of a span
  typename S::Int sum[1][Tokens];
  typename S::Int high[Tokens];  // of the second plane

  LOWBIT_INLINE void begin(int64_t) {
    for (int t = 0; t < Tokens; ++t) {
      sum[0][t] = S::int_broadcast(g.stretch.activations.starts[entry + t]);
      if constexpr (Planes == 2) high[t] = S::int_zero();
    }
  }
  LOWBIT_INLINE void end(int64_t s) {
    const DotStretch& stretch = g.stretch.stretches[s];
    const int64_t group = stretch.weight_group;
    if constexpr (Planes == 2) {
      for (int t = 0; t < Tokens; ++t) sum[0][t] = S::int_add(sum[0][t], S::int_mul(high[t], S::int_broadcast(128)));
    }
    if (more) {
      end_tokens(FloatEntries<S, More::any>(), stretch);
    } else if (g.stretch.in_place.halves != nullptr) {
      HalfEntries<S, false> halves;
      halves.move(g.stretch, 16 * group);
      end_tokens(KeptEntries<S, More::none>(halves, g.stretch, 16 * group), stretch);
    } else {
      end_tokens(FloatEntries<S, More::none>(), stretch);
    }
    entry += Tokens;
  }
  template <class Entries>
  LOWBIT_INLINE void end_tokens(const Entries& entries, const DotStretch& stretch) {
    const int64_t group = stretch.weight_group;
    if constexpr (Spans) {
      end_stretch<S, Entries::kMore, false>(g.stretch, group, 0, entry, sum, inner);
      if (!stretch.ends_span) return;
      end_span<S>(g.stretch, entries, group, 0, entry, inner, acc);
      for (int t = 0; t < Tokens; ++t) inner[0][t] = S::zero();
      return;
    }
    // Token by token: there are no registers for what all have between stretch and span.
    for (int t = 0; t < Tokens; ++t) {
      typename S::Int whole[1][1] = {{sum[0][t]}};
      typename S::Float part[1][1], next[1][1] = {{acc[0][t]}};
      end_stretch<S, Entries::kMore, true>(g.stretch, group, 0, entry + t, whole, part);
      end_span<S>(g.stretch, entries, group, 0, entry + t, part, next);
      acc[0][t] = next[0][0];
    }
  }
  template <int J>
  LOWBIT_INLINE void unit(const uint8_t* step) {
    ask_near<Bits, J>(g, step);
    const typename S::Bytes w = unit_weights<S, Bits, Map, J>(g, step);
    for (int t = 0; t < Tokens; ++t) {
      const int8_t* at = x + 4 * (J % 8 * Tokens + t);
      sum[0][t] = S::dot(sum[0][t], w, S::bytes_broadcast4(at));
      if constexpr (Planes == 2) high[t] = S::dot(high[t], w, S::bytes_broadcast4(at + g.plane));
    }
  }
  template <int First = 0>
  LOWBIT_INLINE void first_half(const uint8_t* step, int64_t) {
    unit<First>(step);
    unit<First + 1>(step);
    unit<First + 2>(step);
    unit<First + 3>(step);
  }
  template <int First = 0>
  LOWBIT_INLINE void second_half(const uint8_t* step, int64_t) {
    unit<First + 4>(step);
    unit<First + 5>(step);
    unit<First + 6>(step);
    unit<First + 7>(step);
    x += 32 * Tokens;
  }
};

template <class S, int Bits, CodeMap Map, int Tokens, int Planes, bool Spans>
LOWBIT_STACKED static void few_tile(const FusedArgs& given, int64_t token) {
  FusedArgs g = given;
  for (int64_t b = 0; b < given.blocks; ++b) {
    FewTile<S, Bits, Map, Tokens, Planes, Spans> tile{g,
                                                      g.stretch.offsets != nullptr || g.stretch.minimums != nullptr,
                                                      g.codes + token * g.code_stride,
                                                      token * g.stretch.stretch_count,
                                                      {},
                                                      {},
                                                      {},
                                                      {}};
    for (int t = 0; t < Tokens; ++t) tile.acc[0][t] = tile.inner[0][t] = S::zero();
    walk<Bits>(g, tile);
    float* out = g.out + token * g.out_stride;
    for (int t = 0; t < Tokens; ++t) S::store(out + t * g.out_stride, tile.acc[0][t]);
    next_block(g);
  }
}

// The tile of `size` tokens, at most Most. More than kFewTile tokens give tiles of half of it at least.
template <class S, int Bits, CodeMap Map, int Planes, bool Spans, int Most>
static inline void few_tile_of(const FusedArgs& g, int64_t token, int64_t size) {
  if constexpr (2 * Most >= S::kFewTile) {
    if (size == Most) return few_tile<S, Bits, Map, Most, Planes, Spans>(g, token);
    few_tile_of<S, Bits, Map, Planes, Spans, Most - 1>(g, token, size);
  }
}

template <class S, int Bits, CodeMap Map, int Planes, bool Spans>
static inline void few_spans(const FusedArgs& g) {
  for_each_tile(g.tokens, S::kFewTile, [&](int64_t token, int64_t size) {
    few_tile_of<S, Bits, Map, Planes, Spans, S::kFewTile>(g, token, size);
  });
}

template <class S, int Bits, CodeMap Map, int Planes>
static inline void few_planes(const FusedArgs& g) {
  // Two planes of activations beside some of codes leave no registers for results.
  constexpr bool kCrowded = Planes == 2 && Bits < 8 && (Bits & (Bits - 1)) != 0;
  const bool spans = kCrowded || g.stretch.long_spans;
  spans ? few_spans<S, Bits, Map, Planes, true>(g) : few_spans<S, Bits, Map, Planes, false>(g);
}

template <class S, int MostPlanes, int Bits, CodeMap Map>
static inline void few_tokens(const FusedArgs& g) {
  if constexpr (MostPlanes == 2) {
    if (g.plane != 0) return few_planes<S, Bits, Map, 2>(g);
  }
  few_planes<S, Bits, Map, 1>(g);
}

template <class S, int MostPlanes, int Bits>
static inline void few_map(const FusedArgs& g) {
  if constexpr (Bits <= 6) {
    constexpr CodeMap kTable = Bits <= 4 ? CodeMap::lookup16 : CodeMap::lookup64;
    if (g.map != CodeMap::exclusive_or) return few_tokens<S, MostPlanes, Bits, kTable>(g);
  }
  if constexpr (S::kFlipsFields && Bits != kTrits) {
    return g.flip != 0 ? few_tokens<S, MostPlanes, Bits, CodeMap::upper_flipped>(g)
                       : few_tokens<S, MostPlanes, Bits, CodeMap::as_it_is>(g);
  }
  few_tokens<S, MostPlanes, Bits, CodeMap::exclusive_or>(g);
}

// MostPlanes: of activations.
template <class S, int MostPlanes>
static inline void few(const FusedArgs& g) {
  using Fn = void (*)(const FusedArgs&);
  static constexpr Fn kBits[] = {
      few_map<S, MostPlanes, 1>, few_map<S, MostPlanes, 2>, few_map<S, MostPlanes, 3>,
      few_map<S, MostPlanes, 4>, few_map<S, MostPlanes, 5>, few_map<S, MostPlanes, 6>,
      few_map<S, MostPlanes, 7>, few_map<S, MostPlanes, 8>, few_map<S, MostPlanes, kTrits>};
  kBits[g.bits - 1](g);
}

}  // namespace lowbit::kernels

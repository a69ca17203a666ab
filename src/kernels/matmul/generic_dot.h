// Integer dot products of unpacked row blocks.
#pragma once

#include "kernels/matmul/args.h"
#include "kernels/matmul/generic_scales.h"

namespace lowbit::kernels {

// Brings a stretch with these exact sums of products into inner: into 0, where it is the First one of its span.
// block: the first of those of `g`; entry: of the first token's activations.
template <class S, More Kind, bool First, int Blocks, int Tokens>
LOWBIT_INLINE static inline void end_stretch(const StretchArgs& g, int64_t weight_group, int64_t block, int64_t entry,
                                             typename S::Int (&sum)[Blocks][Tokens],
                                             typename S::Float (&inner)[Blocks][Tokens]) {
  if (Kind == More::any && g.offsets != nullptr) {
    for (int t = 0; t < Tokens; ++t) {
      const typename S::Int total = S::int_broadcast(g.activations.sums[entry + t]);
      for (int b = 0; b < Blocks; ++b) {
        const typename S::Int offset = S::int_load(g.offsets + (block + b) * g.group_step + 16 * weight_group);
        sum[b][t] =
            g.paired ? S::dot_pairs(sum[b][t], offset, total) : S::int_add(sum[b][t], S::int_mul(offset, total));
      }
    }
  }
  for (int t = 0; t < Tokens; ++t) {
    const typename S::Float activation = S::broadcast(g.activations.scales[entry + t]);
    for (int b = 0; b < Blocks; ++b) {
      const typename S::Float x = S::to_float(sum[b][t]);
      inner[b][t] = First ? S::mul(x, activation) : S::fma(x, activation, inner[b][t]);
    }
  }
}

// Brings a span into acc; entry: of its last stretch.
template <class S, class Entries, int Blocks, int Tokens>
LOWBIT_INLINE static inline void end_span(const StretchArgs& g, const Entries& entries, int64_t weight_group,
                                          int64_t block, int64_t entry,
                                          const typename S::Float (&inner)[Blocks][Tokens],
                                          typename S::Float (&acc)[Blocks][Tokens]) {
  constexpr More kMore = Entries::kMore;
  const int64_t at = block * g.group_step + 16 * weight_group;
  for (int b = 0; b < Blocks; ++b) {
    const typename S::Float scale = entries.scale(g, at + b * g.group_step);
    for (int t = 0; t < Tokens; ++t) acc[b][t] = S::fma(scale, inner[b][t], acc[b][t]);
  }
  if (kMore == More::minima || (kMore == More::any && g.minimums != nullptr)) {
    for (int t = 0; t < Tokens; ++t) {
      const typename S::Float total = S::broadcast(g.activations.totals[entry + t]);
      for (int b = 0; b < Blocks; ++b)
        acc[b][t] = S::fma(entries.minimum(g, at + b * g.group_step), total, acc[b][t]);
    }
  }
}

// Sums over `units` units for a register tile. step: bytes from one row block's panel to the next.
template <class S, int Blocks, int Tokens, bool Signed>
static inline void dot_units(const uint8_t* panel, int64_t step, const int8_t* x, int64_t units,
                             typename S::Int (&sum)[Blocks][Tokens]) {
  for (; units > 0; --units, panel += 64, x += 4 * Tokens) {
    typename S::Bytes w[Blocks];
    for (int b = 0; b < Blocks; ++b) w[b] = S::bytes_load(panel + b * step);
    for (int t = 0; t < Tokens; ++t) {
      const typename S::Bytes a = S::bytes_broadcast4(x + 4 * t);
      for (int b = 0; b < Blocks; ++b) {
        sum[b][t] = Signed ? S::dot_signed(sum[b][t], w[b], a) : S::dot(sum[b][t], w[b], a);
      }
    }
  }
}

// Adds the products of some units to sums of 16 bits: of `Units`, or where it is 0 of `units`.
template <class S, int Blocks, int Tokens, int Units>
LOWBIT_INLINE static inline void add_units(const uint8_t* panel, int64_t step, const int8_t* x, int64_t units,
                                           typename S::Bytes (&words)[Blocks][Tokens]) {
  const int64_t count = Units > 0 ? Units : units;
#pragma GCC unroll 8
  for (int64_t u = 0; u < count; ++u) {
    typename S::Bytes w[Blocks];
    for (int b = 0; b < Blocks; ++b) w[b] = S::bytes_load(panel + 64 * u + b * step);
    for (int t = 0; t < Tokens; ++t) {
      const typename S::Bytes a = S::bytes_broadcast4(x + 4 * (Tokens * u + t));
      for (int b = 0; b < Blocks; ++b) words[b][t] = S::add_words(words[b][t], w[b], a);
    }
    // Unit by unit: added up in any order they would not fit the registers.
    for (int t = 0; t < Tokens; ++t) {
      for (int b = 0; b < Blocks; ++b) S::hold(words[b][t]);
    }
  }
}

// starts + sums by words of 16 bits, each over `run` units at most: a multiple of 8.
template <class S, int Blocks, int Tokens>
LOWBIT_INLINE static inline void word_runs(const uint8_t* panel, int64_t step, const int8_t* x, int64_t units,
                                           int64_t run, const int32_t* starts,
                                           typename S::Int (&sum)[Blocks][Tokens]) {
  for (int t = 0; t < Tokens; ++t) {
    for (int b = 0; b < Blocks; ++b) sum[b][t] = S::int_broadcast(starts[t]);
  }
  while (units > 0) {
    typename S::Bytes words[Blocks][Tokens];
    for (int t = 0; t < Tokens; ++t) {
      for (int b = 0; b < Blocks; ++b) words[b][t] = S::bytes_zero();
    }
    int64_t left = units < run ? units : run;
    units -= left;
    for (; left >= 8; left -= 8, panel += 64 * 8, x += 4 * Tokens * 8) {
      add_units<S, Blocks, Tokens, 8>(panel, step, x, 8, words);
    }
    if (left > 0) add_units<S, Blocks, Tokens, 0>(panel, step, x, left, words);
    panel += 64 * left;
    x += 4 * Tokens * left;
    for (int t = 0; t < Tokens; ++t) {
      for (int b = 0; b < Blocks; ++b) sum[b][t] = S::sum_words(sum[b][t], words[b][t]);
    }
  }
}

template <class S, int Blocks, int Tokens>
LOWBIT_INLINE static inline void word_units(const uint8_t* panel, int64_t step, const int8_t* x, int64_t units,
                                            int64_t run, const int32_t* starts,
                                            typename S::Int (&sum)[Blocks][Tokens]) {
  if (units != 8) return word_runs<S, Blocks, Tokens>(panel, step, x, units, run, starts, sum);
  // 32 columns in one run, as groups often are: starts are read last, there are no registers for them before.
  typename S::Bytes words[Blocks][Tokens];
  for (int t = 0; t < Tokens; ++t) {
    for (int b = 0; b < Blocks; ++b) words[b][t] = S::bytes_zero();
  }
  add_units<S, Blocks, Tokens, 8>(panel, step, x, 8, words);
  for (int t = 0; t < Tokens; ++t) {
    const typename S::Int start = S::int_broadcast(starts[t]);
    for (int b = 0; b < Blocks; ++b) sum[b][t] = S::sum_words(start, words[b][t]);
  }
}

// How products are summed: at once, of activations of two planes, or first in 16 bits.
enum class DotSums : uint8_t { whole, two_planes, words };

// A tile's share of what is asked for ahead, in as many portions as there are stretches: all at once would make the
// tile wait.
struct Ahead {
  const uint8_t *at, *end;
  int64_t portion, step;

  Ahead(const DotArgs& g, int64_t token, int64_t tokens) : at(g.ahead), end(g.ahead), portion(0), step(g.ahead_step) {
    if (g.ahead == nullptr) return;
    const int64_t lines = (g.ahead_bytes + 63) / 64, first = lines * token / g.tokens;
    const int64_t last = lines * (token + tokens) / g.tokens;
    at += 64 * first;
    end += 64 * last;
    portion = (last - first + g.stretch.stretch_count - 1) / g.stretch.stretch_count;
  }
  void ask() {
    for (int64_t i = 0; i < portion && at < end; ++i, at += 64) {
      __builtin_prefetch(at, 0, 2);
      __builtin_prefetch(at + step, 0, 2);
    }
  }
};

// Where a tile's part of panels, activations and entries begins.
template <int Tokens>
struct TilePlace {
  const uint8_t* panel;
  int64_t step;
  const int8_t* x;
  int64_t entry;

  TilePlace(const DotArgs& g, int64_t block, int64_t token)
      : panel(g.panels + block * 64 * g.units),
        step(64 * g.units),
        x(g.codes + 4 * token * g.units),
        entry(token * g.stretch.stretch_count) {}
};

// Asks for the lines that the results of a tile go to. They lie in rows of their own, pages apart: stores that find
// none of them at hand would hold up the next tile.
template <int Blocks, int Tokens>
LOWBIT_INLINE static inline void ask_for_results(const DotArgs& g, int64_t block, int64_t token) {
  for (int t = 0; t < Tokens; ++t) {
    for (int b = 0; b < Blocks; ++b) __builtin_prefetch(g.out + (token + t) * g.out_stride + 16 * (block + b), 1);
  }
}

// The products of a stretch, with what they start from.
template <class S, int Blocks, int Tokens, bool Signed, DotSums Sums>
LOWBIT_INLINE static inline void sum_stretch(const DotArgs& g, const DotStretch& stretch, const TilePlace<Tokens>& at,
                                             typename S::Int (&sum)[Blocks][Tokens]) {
  const int64_t begin = stretch.begin_unit - g.first_unit, units = stretch.end_unit - stretch.begin_unit;
  const uint8_t* panel = at.panel + 64 * begin;
  const int8_t* x = at.x + 4 * Tokens * begin;
  const int32_t* starts = g.stretch.activations.starts + at.entry;
  if constexpr (Sums == DotSums::words) {
    word_units<S, Blocks, Tokens>(panel, at.step, x, units, g.word_units, starts, sum);
    return;
  }
  constexpr bool kWide = Sums == DotSums::two_planes;
  for (int t = 0; t < Tokens; ++t) {
    const typename S::Int start = kWide ? S::int_zero() : S::int_broadcast(starts[t]);
    for (int b = 0; b < Blocks; ++b) sum[b][t] = start;
  }
  if constexpr (kWide) {
    dot_units<S, Blocks, Tokens, Signed>(panel, at.step, x + g.plane, units, sum);
    for (int t = 0; t < Tokens; ++t) {
      const typename S::Int start = S::int_broadcast(starts[t]);
      for (int b = 0; b < Blocks; ++b) {
        sum[b][t] = S::int_add(S::int_mul(sum[b][t], S::int_broadcast(128)), start);
      }
    }
  }
  dot_units<S, Blocks, Tokens, Signed>(panel, at.step, x, units, sum);
}

// One stretch of a register tile: the products of its units, into inner.
template <class S, int Blocks, int Tokens, bool Signed, DotSums Sums, More Kind, bool First>
LOWBIT_INLINE static inline void dot_stretch(const DotArgs& g, int64_t block, const DotStretch& stretch,
                                             const TilePlace<Tokens>& at,
                                             typename S::Float (&inner)[Blocks][Tokens]) {
  typename S::Int sum[Blocks][Tokens];
  sum_stretch<S, Blocks, Tokens, Signed, Sums>(g, stretch, at, sum);
  end_stretch<S, Kind, First>(g.stretch, stretch.weight_group, block, at.entry, sum, inner);
}

// A register tile where registers have room for its sums alone: what stretches and spans gave so far lies in memory.
// Spans: they are long.
template <class S, int Blocks, int Tokens, bool Signed, DotSums Sums, More Kind, bool Spans>
static inline void far_tile(const DotArgs& given, int64_t block, int64_t token) {
  const DotArgs g = given;
  float* out = g.out + token * g.out_stride + 16 * block;
  const float* from = g.sums + token * g.sums_stride + 16 * block;
  alignas(64) float kept[Tokens][Blocks][16];  // of a span
  bool first = true;
  for (int t = 0; t < Tokens; ++t) {
    for (int b = 0; b < Blocks; ++b) {
      S::store(out + t * g.out_stride + 16 * b,
               g.sums != nullptr ? S::load(from + t * g.sums_stride + 16 * b) : S::zero());
    }
  }
  TilePlace<Tokens> at(g, block, token);
  Ahead ahead(g, token, Tokens);
  for (int64_t s = 0; s < g.stretch.stretch_count; ++s, at.entry += Tokens) {
    ahead.ask();
    const DotStretch stretch = g.stretch.stretches[s];
    typename S::Int sum[Blocks][Tokens];
    sum_stretch<S, Blocks, Tokens, Signed, Sums>(g, stretch, at, sum);
    typename S::Float inner[Blocks][Tokens], acc[Blocks][Tokens];
    if (!Spans || first) {
      end_stretch<S, Kind, true>(g.stretch, stretch.weight_group, block, at.entry, sum, inner);
    } else {
      for (int t = 0; t < Tokens; ++t) {
        for (int b = 0; b < Blocks; ++b) inner[b][t] = S::load(kept[t][b]);
      }
      end_stretch<S, Kind, false>(g.stretch, stretch.weight_group, block, at.entry, sum, inner);
    }
    first = stretch.ends_span;
    if (Spans && !stretch.ends_span) {
      for (int t = 0; t < Tokens; ++t) {
        for (int b = 0; b < Blocks; ++b) S::store(kept[t][b], inner[b][t]);
      }
      continue;
    }
    for (int t = 0; t < Tokens; ++t) {
      for (int b = 0; b < Blocks; ++b) acc[b][t] = S::load(out + t * g.out_stride + 16 * b);
    }
    end_span<S>(g.stretch, FloatEntries<S, Kind>(), stretch.weight_group, block, at.entry, inner, acc);
    for (int t = 0; t < Tokens; ++t) {
      for (int b = 0; b < Blocks; ++b) S::store(out + t * g.out_stride + 16 * b, acc[b][t]);
    }
  }
}

// A register tile, Blocks row blocks from `block`, Tokens tokens from `token`, where each stretch is a span.
template <class S, int Blocks, int Tokens, bool Signed, DotSums Sums, More Kind>
static inline void dot_tile(const DotArgs& g, int64_t block, int64_t token) {
  typename S::Float acc[Blocks][Tokens];
  const float* from = g.sums + token * g.sums_stride + 16 * block;
  for (int t = 0; t < Tokens; ++t) {
    for (int b = 0; b < Blocks; ++b) {
      acc[b][t] = g.sums != nullptr ? S::load(from + t * g.sums_stride + 16 * b) : S::zero();
    }
  }
  ask_for_results<Blocks, Tokens>(g, block, token);
  TilePlace<Tokens> at(g, block, token);
  Ahead ahead(g, token, Tokens);
  for (int64_t s = 0; s < g.stretch.stretch_count; ++s, at.entry += Tokens) {
    ahead.ask();
    const DotStretch& stretch = g.stretch.stretches[s];
    typename S::Float inner[Blocks][Tokens];
    dot_stretch<S, Blocks, Tokens, Signed, Sums, Kind, true>(g, block, stretch, at, inner);
    end_span<S>(g.stretch, FloatEntries<S, Kind>(), stretch.weight_group, block, at.entry, inner, acc);
  }
  float* out = g.out + token * g.out_stride + 16 * block;
  for (int t = 0; t < Tokens; ++t) {
    for (int b = 0; b < Blocks; ++b) S::store(out + t * g.out_stride + 16 * b, acc[b][t]);
  }
}

// The same where spans are long: registers are for what the span at hand gives, memory for what those before gave.
template <class S, int Blocks, int Tokens, bool Signed, DotSums Sums, More Kind>
static inline void span_tile(const DotArgs& given, int64_t block, int64_t token) {
  const DotArgs g = given;
  alignas(64) float results[Tokens][Blocks][16];
  const float* from = g.sums + token * g.sums_stride + 16 * block;
  for (int t = 0; t < Tokens; ++t) {
    for (int b = 0; b < Blocks; ++b) {
      S::store(results[t][b], g.sums != nullptr ? S::load(from + t * g.sums_stride + 16 * b) : S::zero());
    }
  }
  ask_for_results<Blocks, Tokens>(g, block, token);
  TilePlace<Tokens> at(g, block, token);
  Ahead ahead(g, token, Tokens);
  const DotStretch* stretch = g.stretch.stretches;
  for (const DotStretch* end = stretch + g.stretch.stretch_count; stretch < end; ++stretch, at.entry += Tokens) {
    typename S::Float inner[Blocks][Tokens], acc[Blocks][Tokens];
    ahead.ask();
    dot_stretch<S, Blocks, Tokens, Signed, Sums, Kind, true>(g, block, *stretch, at, inner);
    while (!stretch->ends_span) {
      ++stretch;
      at.entry += Tokens;
      ahead.ask();
      dot_stretch<S, Blocks, Tokens, Signed, Sums, Kind, false>(g, block, *stretch, at, inner);
    }
    for (int t = 0; t < Tokens; ++t) {
      for (int b = 0; b < Blocks; ++b) acc[b][t] = S::load(results[t][b]);
    }
    end_span<S>(g.stretch, FloatEntries<S, Kind>(), stretch->weight_group, block, at.entry, inner, acc);
    for (int t = 0; t < Tokens; ++t) {
      for (int b = 0; b < Blocks; ++b) S::store(results[t][b], acc[b][t]);
    }
  }
  float* out = g.out + token * g.out_stride + 16 * block;
  for (int t = 0; t < Tokens; ++t) {
    for (int b = 0; b < Blocks; ++b) S::store(out + t * g.out_stride + 16 * b, S::load(results[t][b]));
  }
}

// The tile of `size` tokens, at most Most. Spans: they are long.
template <class S, int Blocks, int Most, bool Signed, DotSums Sums, More Kind, bool Spans>
static inline void dot_tile_of(int64_t size, const DotArgs& g, int64_t block, int64_t token) {
  if constexpr (Most > 0) {
    if (size == Most) {
      if constexpr (S::kFarResults) {
        return far_tile<S, Blocks, Most, Signed, Sums, Kind, Spans>(g, block, token);
      } else if constexpr (Spans) {
        return span_tile<S, Blocks, Most, Signed, Sums, Kind>(g, block, token);
      } else {
        return dot_tile<S, Blocks, Most, Signed, Sums, Kind>(g, block, token);
      }
    }
    dot_tile_of<S, Blocks, Most - 1, Signed, Sums, Kind, Spans>(size, g, block, token);
  }
}

template <class S, int Blocks, bool Signed, DotSums Sums, More Kind, bool Spans>
static inline void dot_tokens(const DotArgs& g, int64_t block) {
  constexpr int kMost = Spans ? S::kSpanTile : S::kTokenTile;
  for_each_tile(g.tokens, kMost, [&](int64_t token, int64_t size) {
    dot_tile_of<S, Blocks, kMost, Signed, Sums, Kind, Spans>(size, g, block, token);
  });
}

template <class S, bool Signed, DotSums Sums, More Kind, bool Spans>
LOWBIT_STACKED static void dot_blocks(const DotArgs& g) {
  int64_t block = 0;
  if constexpr (Sums != DotSums::two_planes && S::kRowTile >= 2) {
    for (; block + 2 <= g.blocks; block += 2) dot_tokens<S, 2, Signed, Sums, Kind, Spans>(g, block);
  }
  for (; block < g.blocks; ++block) dot_tokens<S, 1, Signed, Sums, Kind, Spans>(g, block);
}

template <class S, bool Signed, DotSums Sums, More Kind>
static inline void dot_spans(const DotArgs& g) {
  g.stretch.long_spans ? dot_blocks<S, Signed, Sums, Kind, true>(g) : dot_blocks<S, Signed, Sums, Kind, false>(g);
}

template <class S, bool Signed, DotSums Sums>
static inline void dot_sums(const DotArgs& g, bool more) {
  more ? dot_spans<S, Signed, Sums, More::any>(g) : dot_spans<S, Signed, Sums, More::none>(g);
}

template <class S, bool Signed>
static inline void dot_kind(const DotArgs& g) {
  const bool more = g.stretch.offsets != nullptr || g.stretch.minimums != nullptr;
  if (g.plane != 0) return dot_sums<S, Signed, DotSums::two_planes>(g, more);
  if constexpr (S::kWordSums && !Signed) {
    if (g.word_units >= 8) return dot_sums<S, Signed, DotSums::words>(g, more);
  }
  dot_sums<S, Signed, DotSums::whole>(g, more);
}

template <class S>
static inline void dot(const DotArgs& g) {
  if constexpr (S::kDotMax < 255) {
    if (g.signed_codes) return dot_kind<S, true>(g);
  }
  dot_kind<S, false>(g);
}

}  // namespace lowbit::kernels

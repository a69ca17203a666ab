// Integer dot products of unpacked row blocks.
#pragma once

#include "kernels/matmul/args.h"

namespace lowbit::kernels {

// acc after a stretch with these exact sums of products. s: number of the stretch; block: of those of `g`.
template <class S>
static inline typename S::Float end_stretch(const StretchArgs& g, int64_t s, int64_t block, int64_t token,
                                            typename S::Int sum, typename S::Float acc) {
  const DotStretch& stretch = g.stretches[s];
  const int64_t at = block * g.group_step + int64_t{16} * stretch.weight_group;
  const int64_t entry = token * g.activations.stride + s;
  const float activation = g.activations.scales[entry];
  if (g.offsets != nullptr) {
    const int32_t total = g.activations.sums[entry];
    sum = S::int_add(sum, S::int_mul(S::int_load(g.offsets + at), S::int_broadcast(total)));
  }
  acc = S::fma(S::to_float(sum), S::mul(S::load(g.scales + at), S::broadcast(activation)), acc);
  if (g.minimums == nullptr) return acc;
  const auto total = static_cast<float>(g.activations.sums[entry]);
  return S::fma(S::broadcast(total), S::mul(S::load(g.minimums + at), S::broadcast(activation)), acc);
}

template <class S>
static inline typename S::Int start_of(const StretchArgs& g, int64_t s, int64_t token) {
  const int32_t* starts = g.activations.starts;
  return starts == nullptr ? S::int_zero() : S::int_broadcast(starts[token * g.activations.stride + s]);
}

// Sums over units [begin, end) of the panels for a register tile.
template <class S, int Blocks, int Tokens, bool Signed>
static inline void dot_units(const uint8_t* panels, int64_t panel_step, const int8_t* const (&a)[Tokens], int64_t begin,
                             int64_t end, typename S::Int (&sum)[Blocks][Tokens]) {
  for (int64_t unit = begin; unit < end; ++unit) {
    typename S::Bytes w[Blocks];
    for (int b = 0; b < Blocks; ++b) w[b] = S::bytes_load(panels + b * panel_step + unit * 64);
    for (int t = 0; t < Tokens; ++t) {
      const typename S::Bytes x = S::bytes_broadcast4(a[t] + unit * 4);
      for (int b = 0; b < Blocks; ++b) {
        sum[b][t] = Signed ? S::dot_signed(sum[b][t], w[b], x) : S::dot(sum[b][t], w[b], x);
      }
    }
  }
}

// A register tile: Blocks row blocks from `block`, Tokens tokens from `token`. Wide: activations of two planes.
template <class S, int Blocks, int Tokens, bool Signed, bool Wide>
static inline void dot_tile(const DotArgs& g, int64_t block, int64_t token) {
  typename S::Float acc[Blocks][Tokens];
  const int8_t* a[Tokens];
  const int8_t* high[Tokens];
  float* out = g.out + token * g.out_stride + 16 * block;
  for (int t = 0; t < Tokens; ++t) {
    a[t] = g.codes + (token + t) * g.code_stride + 4 * g.first_unit;
    high[t] = a[t] + g.plane;
    for (int b = 0; b < Blocks; ++b) acc[b][t] = g.resume ? S::load(out + t * g.out_stride + 16 * b) : S::zero();
  }
  const uint8_t* panels = g.panels + block * g.panel_step;
  for (int64_t s = 0; s < g.stretch.stretch_count; ++s) {
    const int64_t begin = g.stretch.stretches[s].begin_unit - g.first_unit;
    const int64_t end = g.stretch.stretches[s].end_unit - g.first_unit;
    typename S::Int sum[Blocks][Tokens];
    for (int t = 0; t < Tokens; ++t) {
      const typename S::Int start = Wide ? S::int_zero() : start_of<S>(g.stretch, s, token + t);
      for (int b = 0; b < Blocks; ++b) sum[b][t] = start;
    }
    if constexpr (Wide) {
      dot_units<S, Blocks, Tokens, Signed>(panels, g.panel_step, high, begin, end, sum);
      for (int t = 0; t < Tokens; ++t) {
        for (int b = 0; b < Blocks; ++b) {
          sum[b][t] = S::int_add(S::int_mul(sum[b][t], S::int_broadcast(128)), start_of<S>(g.stretch, s, token + t));
        }
      }
    }
    dot_units<S, Blocks, Tokens, Signed>(panels, g.panel_step, a, begin, end, sum);
    for (int b = 0; b < Blocks; ++b) {
      for (int t = 0; t < Tokens; ++t) {
        acc[b][t] = end_stretch<S>(g.stretch, s, block + b, token + t, sum[b][t], acc[b][t]);
      }
    }
  }
  for (int t = 0; t < Tokens; ++t) {
    for (int b = 0; b < Blocks; ++b) S::store(out + t * g.out_stride + 16 * b, acc[b][t]);
  }
}

// The tile of `size` tokens, at most Most.
template <class S, int Blocks, int Most, bool Signed, bool Wide>
static inline void dot_tile_of(int64_t size, const DotArgs& g, int64_t block, int64_t token) {
  if constexpr (Most > 0) {
    if (size == Most) return dot_tile<S, Blocks, Most, Signed, Wide>(g, block, token);
    dot_tile_of<S, Blocks, Most - 1, Signed, Wide>(size, g, block, token);
  }
}

// All tokens, in tiles of nearly equal size.
template <class S, int Blocks, int Most, bool Signed, bool Wide>
static inline void dot_tokens(const DotArgs& g, int64_t block) {
  int64_t token = 0;
  for (int64_t tiles = (g.tokens + Most - 1) / Most; tiles > 0; --tiles) {
    const int64_t size = (g.tokens - token + tiles - 1) / tiles;
    dot_tile_of<S, Blocks, Most, Signed, Wide>(size, g, block, token);
    token += size;
  }
}

template <class S, bool Signed, bool Wide>
static inline void dot_blocks(const DotArgs& g) {
  int64_t block = 0;
  if constexpr (!Wide && S::kRowTile >= 4) {
    // Few tokens: chains side by side come from rows.
    if (g.tokens <= 3) {
      for (; block + 4 <= g.blocks; block += 4) dot_tokens<S, 4, 3, Signed, Wide>(g, block);
    }
  }
  if constexpr (!Wide && S::kRowTile >= 2) {
    for (; block + 2 <= g.blocks; block += 2) dot_tokens<S, 2, S::kTokenTile, Signed, Wide>(g, block);
  }
  for (; block < g.blocks; ++block) dot_tokens<S, 1, S::kTokenTile, Signed, Wide>(g, block);
}

template <class S>
static inline void dot(const DotArgs& g) {
  if constexpr (S::kDotMax < 255) {
    if (g.signed_codes) {
      return g.plane != 0 ? dot_blocks<S, true, true>(g) : dot_blocks<S, true, false>(g);
    }
  }
  g.plane != 0 ? dot_blocks<S, false, true>(g) : dot_blocks<S, false, false>(g);
}

// ---- sums of activations ----

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

// ---- scales ----

template <class S>
static inline void group_scales(const GroupScaleArgs& g) {
  const typename S::Float factor = S::broadcast(g.factor), unit = S::broadcast(g.unit);
  const auto run = [&](int64_t bytes, auto&& load) {
    for (int64_t i = 0; i < g.groups; ++i) {
      S::store(g.out + 16 * i, S::mul(S::mul(load(g.in + i * 16 * bytes), factor), unit));
    }
  };
  switch (g.kind) {
    case ScaleKind::f32:
      return run(4, [](const uint8_t* p) { return S::load(reinterpret_cast<const float*>(p)); });
    case ScaleKind::f16:
      return run(2, [](const uint8_t* p) { return S::load_f16(reinterpret_cast<const uint16_t*>(p)); });
    case ScaleKind::bf16:
      return run(2, [](const uint8_t* p) { return S::load_bf16(reinterpret_cast<const uint16_t*>(p)); });
    case ScaleKind::byte:
      return run(1, [&](const uint8_t* p) { return S::gather(g.table, S::int_load_bytes(p)); });
  }
}

}  // namespace lowbit::kernels

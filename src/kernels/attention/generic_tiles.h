// Keys and values from codes or words to fp32.
#pragma once

#include "kernels/attention/args.h"

namespace lowbit::kernels {

// How a number comes from a code: its value alone, value * scale, or, of integers whose product with any scale is
// exact (scales of 11 bits), one fused operation that also takes the offset of the code away.
enum class Widening : uint8_t { plain, scaled, fused };

// Where the value of a code comes from: the code as a number, a table, or a table in bytes.
enum class Values : uint8_t { number, table, upper };

template <int Bits>
constexpr float kTileBias = 32768.0f + (Bits == 8 ? 128.0f : 8.0f);

template <class S>
static inline typename S::Float load_scales(ScaleKind kind, const void* scales, int64_t at) {
  if (kind == ScaleKind::f16) return S::load_f16(static_cast<const uint16_t*>(scales) + at);
  if (kind == ScaleKind::bf16) return S::load_bf16(static_cast<const uint16_t*>(scales) + at);
  return S::load(static_cast<const float*>(scales) + at);
}

// The scale of a row and what a fused product adds.
template <class S>
struct RowScale {
  typename S::Float scale, offset;
};

template <class S, int Bits, Values V, Widening W, int Column>
static inline typename S::Float tile_row(const TilesArgs& g, typename S::Bytes codes, const RowScale<S>& s) {
  if constexpr (V == Values::number) {
    const typename S::Float v = S::template biased<Column>(codes);
    if constexpr (W == Widening::fused) return S::fma(v, s.scale, s.offset);
    const typename S::Float code = S::sub(v, S::broadcast(kTileBias<Bits>));
    return W == Widening::plain ? code : S::mul(code, s.scale);
  } else {
    const typename S::Int index = S::template column<Column>(codes);
    const typename S::Float v = Bits == 4 ? S::gather16(g.table, index) : S::gather(g.table, index);
    return W == Widening::plain ? v : S::mul(v, s.scale);
  }
}

// scale_of(row) gives the scale of a row of the tile.
template <class S, int Bits, Values V, Widening W, class ScaleOf>
static inline void four_rows(const TilesArgs& g, typename S::Bytes codes, int row, const ScaleOf& scale_of,
                             float* y) {
  if constexpr (V == Values::upper) {
    typename S::Float values[4];
    S::values_of(S::value_table(g.upper, 8), S::by_column(codes), values);
    for (int i = 0; i < 4; ++i) {
      if (W != Widening::plain) values[i] = S::mul(values[i], scale_of(row + i).scale);
      S::store(y + (row + i) * 16, values[i]);
    }
  } else {
    S::store(y + row * 16, tile_row<S, Bits, V, W, 0>(g, codes, scale_of(row)));
    S::store(y + row * 16 + 16, tile_row<S, Bits, V, W, 1>(g, codes, scale_of(row + 1)));
    S::store(y + row * 16 + 32, tile_row<S, Bits, V, W, 2>(g, codes, scale_of(row + 2)));
    S::store(y + row * 16 + 48, tile_row<S, Bits, V, W, 3>(g, codes, scale_of(row + 3)));
  }
}

template <class S, int Bits, Values V, Widening W, class ScaleOf>
static inline void widen_rows(const TilesArgs& g, const uint8_t* codes, const ScaleOf& scale_of, float* y) {
  if constexpr (Bits == 8) {
    for (int unit = 0; unit < 4; ++unit) {
      four_rows<S, Bits, V, W>(g, S::bytes_load(codes + 64 * unit), 4 * unit, scale_of, y);
    }
  } else {
    for (int unit = 0; unit < 2; ++unit) {
      const typename S::Bytes both = S::bytes_load(codes + 64 * unit);
      four_rows<S, Bits, V, W>(g, S::template field<0, 4, 0>(both), 8 * unit, scale_of, y);
      four_rows<S, Bits, V, W>(g, S::template field<4, 4, 0>(both), 8 * unit + 4, scale_of, y);
    }
  }
}

// The scale of column `col` at position `position` of a block.
template <class S>
static inline void column_scales(const TilesArgs& g, int64_t block, int64_t col, float (&scales)[16]) {
  const int64_t group = col / g.group < g.groups ? col / g.group : g.groups - 1;
  S::store(scales, load_scales<S>(g.scale_kind, g.scales, (block * g.groups + group) * 16));
}

// Any group: the scales of a tile are written out first.
template <class S, int Bits, Values V, Widening W>
static inline void widen_any(const TilesArgs& g, int64_t block, int64_t tile, const uint8_t* codes, float* y) {
  alignas(64) float by_row[16][16];
  for (int64_t i = 0; i < 16; ++i) {
    alignas(64) float scales[16];
    column_scales<S>(g, block, tile * 16 + i, scales);
    for (int64_t position = 0; position < 16; ++position) {
      by_row[g.keys ? i : position][g.keys ? position : i] = scales[position];
    }
  }
  const auto scale_of = [&](int row) {
    const typename S::Float scale = S::load(by_row[row]);
    return RowScale<S>{scale, S::mul(scale, S::broadcast(-kTileBias<Bits>))};
  };
  widen_rows<S, Bits, V, W>(g, codes, scale_of, y);
}

// Scales of some groups of a block, kept in memory to be read one by one (from registers that costs shuffles), and
// written well before they are read.
struct HeldScales {
  static constexpr int64_t kGroups = 8;
  alignas(64) float scales[kGroups][16];
  alignas(64) float offsets[kGroups][16];
  int64_t begin = 0, end = 0;  // among all groups of all blocks
};

template <class S, int Bits>
static inline void hold_scales(const TilesArgs& g, int64_t block, int64_t group, HeldScales& held) {
  const int64_t left = g.groups - group;
  held.begin = block * g.groups + group;
  held.end = held.begin + (left < HeldScales::kGroups ? left : HeldScales::kGroups);
  for (int64_t i = held.begin; i < held.end; ++i) {
    const typename S::Float scale = load_scales<S>(g.scale_kind, g.scales, i * 16);
    S::store(held.scales[i - held.begin], scale);
    S::store(held.offsets[i - held.begin], S::mul(scale, S::broadcast(-kTileBias<Bits>)));
  }
}

// The columns of a tile share their scales.
template <class S, int Bits, Values V, Widening W>
static inline void widen_shared(const TilesArgs& g, int64_t block, int64_t tile, const uint8_t* codes,
                                HeldScales& held, float* y) {
  const int64_t group = tile * 16 / g.group, at = block * g.groups + group;
  if (g.keys) {
    const typename S::Float scale = load_scales<S>(g.scale_kind, g.scales, at * 16);
    const RowScale<S> shared{scale, S::mul(scale, S::broadcast(-kTileBias<Bits>))};
    return widen_rows<S, Bits, V, W>(g, codes, [&](int) { return shared; }, y);
  }
  if (at < held.begin || at >= held.end) hold_scales<S, Bits>(g, block, group, held);
  const float* scales = held.scales[at - held.begin];
  const float* offsets = held.offsets[at - held.begin];
  const auto scale_of = [&](int row) { return RowScale<S>{S::broadcast(scales[row]), S::broadcast(offsets[row])}; };
  widen_rows<S, Bits, V, W>(g, codes, scale_of, y);
}

// Asks for what comes behind the blocks of this call, some lines at a time: while products run, memory need not rest.
static inline void ask_ahead(const TilesArgs& g, const uint8_t* codes, int64_t bytes) {
  const uint8_t* next = codes + g.blocks * g.pitch * 32 * g.bits;
  for (int64_t i = 0; i < bytes; i += 64) __builtin_prefetch(next + i, 0, 2);
}

template <class S, int Bits, Values V, Widening W>
static inline void widen_blocks(const TilesArgs& g) {
  const bool shared = g.group % 16 == 0 || g.groups == 1;
  HeldScales held;
  for (int64_t block = 0; block < g.blocks; ++block) {
    for (int64_t tile = g.first_tile; tile < g.first_tile + g.tiles; ++tile) {
      const uint8_t* codes = g.codes + (block * g.pitch + tile - g.first_tile) * 32 * Bits;
      float* y = g.y + (block * g.tiles + tile - g.first_tile) * 256;
      ask_ahead(g, codes, 32 * Bits);
      if constexpr (W == Widening::plain) {
        widen_rows<S, Bits, V, W>(g, codes, [](int) { return RowScale<S>{}; }, y);
      } else if (shared) {
        widen_shared<S, Bits, V, W>(g, block, tile, codes, held, y);
      } else {
        widen_any<S, Bits, V, W>(g, block, tile, codes, y);
      }
    }
  }
}

template <class S, int Bits, Values V>
static inline void widen_table(const TilesArgs& g) {
  g.scale_kind == ScaleKind::none ? widen_blocks<S, Bits, V, Widening::plain>(g)
                                  : widen_blocks<S, Bits, V, Widening::scaled>(g);
}

template <class S, int Bits>
static inline void widen_bits(const TilesArgs& g) {
  if constexpr (S::kByteTables && Bits == 8) {
    if (g.upper != nullptr) return widen_table<S, Bits, Values::upper>(g);
  }
  if (g.table != nullptr) return widen_table<S, Bits, Values::table>(g);
  if (g.scale_kind == ScaleKind::f16) {
    widen_blocks<S, Bits, Values::number, Widening::fused>(g);
  } else if (g.scale_kind == ScaleKind::none) {
    widen_blocks<S, Bits, Values::number, Widening::plain>(g);
  } else {
    widen_blocks<S, Bits, Values::number, Widening::scaled>(g);
  }
}

template <class S, bool Bfloat>
static inline void widen_words(const TilesArgs& g) {
  for (int64_t block = 0; block < g.blocks; ++block) {
    const uint8_t* bytes = g.codes + block * g.pitch * 512;
    float* y = g.y + block * g.tiles * 256;
    for (int64_t i = 0; i < g.tiles * 256; i += 64) {
      const auto* x = reinterpret_cast<const uint16_t*>(bytes) + i;
      ask_ahead(g, bytes + 2 * i, 128);
      for (int64_t j = 0; j < 64; j += 16) S::store(y + i + j, Bfloat ? S::load_bf16(x + j) : S::load_f16(x + j));
    }
  }
}

template <class S>
static inline void widen_tiles(const TilesArgs& g) {
  if (g.bits == 16) return g.words == ScaleKind::bf16 ? widen_words<S, true>(g) : widen_words<S, false>(g);
  g.bits == 4 ? widen_bits<S, 4>(g) : widen_bits<S, 8>(g);
}

}  // namespace lowbit::kernels

// The floating arithmetic of matmul.h over a vector ISA: chains of fp32 fused multiply-adds, columns ascending,
// sixteen rows side by side in a vector. Formats differ in their reader alone.
#pragma once

#include "kernels/matmul/generic_unpack.h"

namespace lowbit::kernels {

// ---- readers: the weights of one row block, a turn of kUnits units of four columns after the other ----
// unit<J>() is what the four columns of a unit share, value<J, C>() column C of them. For few tokens: kVectors
// registers are kept for a row block.

template <class S, FloatKind Kind>
struct WordReader {
  static constexpr int kUnits = 1, kRowBytes = Kind == FloatKind::f32 ? 64 : 32, kBytes = 4 * kRowBytes;
  static constexpr bool kScaled = false;
  static constexpr int kVectors = 1;
  using Unit = const uint8_t*;
  const float* table;

  template <int J>
  LOWBIT_INLINE Unit unit(const uint8_t* turn) const {
    return turn;
  }
  template <int J, int C>
  LOWBIT_INLINE typename S::Float value(Unit u) const {
    const auto* words = reinterpret_cast<const uint16_t*>(u + C * kRowBytes);
    if constexpr (Kind == FloatKind::f32) {
      return S::load(reinterpret_cast<const float*>(u + C * kRowBytes));
    } else if constexpr (Kind == FloatKind::f16) {
      return S::load_f16(words);
    } else if constexpr (Kind == FloatKind::bf16) {
      return S::load_bf16(words);
    } else {
      return S::gather(table, S::int_load_words(words));
    }
  }
};

// Where codes have one plane, a turn is one vector of it; else a step of 32 columns.
template <int Bits>
constexpr int turn_units() {
  return (Bits & (Bits - 1)) == 0 ? 8 / Bits : 8;
}

template <class S, int Bits>
struct ValueReader {
  static constexpr int kUnits = turn_units<Bits>(), kBytes = 8 * Bits * kUnits;
  static constexpr bool kScaled = true;
  static constexpr int kVectors = 3;
  using Unit = typename S::Bytes;
  const float* table;

  template <int J>
  LOWBIT_INLINE Unit unit(const uint8_t* turn) const {
    if constexpr (Bits == 4) return S::bytes_load(turn);  // both units of the turn; value() finds its digit
    return unit_codes<S, Bits, J>(turn);
  }
  template <int J, int C>
  LOWBIT_INLINE typename S::Float value(Unit u) const {
    if constexpr (Bits <= 4) return S::template lookup_floats<8 * C + (Bits == 4 ? 4 * J : 0)>(table, u);
    return S::gather(table, S::template column<C>(u));
  }
};

template <class S, int Bits, bool Signed>
struct HalvesReader {
  static constexpr int kUnits = turn_units<Bits>(), kBytes = 8 * Bits * kUnits;
  static constexpr int kEntries = Bits <= 6 ? 64 : Bits == 7 ? 128 : 256;
  static constexpr bool kScaled = true;
  static constexpr int kVectors = 4;
  using Unit = typename S::Halves;
  const uint8_t* table;

  template <int J>
  LOWBIT_INLINE Unit unit(const uint8_t* turn) const {
    return S::template halves<kEntries, Signed>(table, unit_codes<S, Bits, J>(turn));
  }
  template <int J, int C>
  LOWBIT_INLINE typename S::Float value(const Unit& u) const {
    return S::template half<C>(u);
  }
};

// Floats of 6 or 8 bits, with a sign, by arithmetic.
template <class S, int Bits>
struct SmallReader {
  static constexpr int kUnits = turn_units<Bits>(), kBytes = 8 * Bits * kUnits;
  static constexpr bool kScaled = true;
  static constexpr int kVectors = 1;
  static constexpr bool kChecked = true;  // value() is cheaper where no code of a unit is NaN
  using Unit = typename S::Bytes;
  simd::SmallFloat small;

  LOWBIT_INLINE bool any_nan(Unit u) const { return S::any_nan(u, small); }

  template <int J>
  LOWBIT_INLINE Unit unit(const uint8_t* turn) const {
    return unit_codes<S, Bits, J>(turn);
  }
  template <int J, int C, bool Careful = true>
  LOWBIT_INLINE typename S::Float value(Unit u) const {
    return S::template small_column<Bits, C, Careful>(u, small);
  }
};

// A turn is a vector.
template <class S>
struct TritReader {
  static constexpr int kUnits = 5, kBytes = 64;
  static constexpr bool kScaled = true;
  using Unit = typename S::Bytes;
  const float* table;

  template <int J>
  LOWBIT_INLINE Unit unit(const uint8_t* turn) const {
    return unit_codes<S, kTrits, J>(turn);
  }
  template <int J, int C>
  LOWBIT_INLINE typename S::Float value(Unit u) const {
    return S::template lookup_floats<8 * C>(table, u);
  }
};

// Calls use(reader) with that of a weight's codes.
template <class S, int Bits, class Use>
static inline void with_code_reader(const FloatWeights& w, const Use& use) {
  if constexpr (Bits == kTrits) return use(TritReader<S>{w.table});
  if constexpr (Bits > 4 && S::kByteTables) {
    if (w.kind == FloatKind::halves) {
      constexpr bool kWhole = Bits == 8;
      if (kWhole && w.signed_halves) return use(HalvesReader<S, Bits, kWhole>{w.halves});
      return use(HalvesReader<S, Bits, false>{w.halves});
    }
  }
  if constexpr ((Bits == 6 || Bits == 8) && !S::kByteTables) {
    if (w.small != nullptr) return use(SmallReader<S, Bits>{*w.small});
  }
  use(ValueReader<S, Bits>{w.table});
}

template <class S, class Use>
static inline void with_reader(const FloatWeights& w, const Use& use) {
  switch (w.kind) {
    case FloatKind::f32:
      return use(WordReader<S, FloatKind::f32>{nullptr});
    case FloatKind::f16:
      return use(WordReader<S, FloatKind::f16>{nullptr});
    case FloatKind::bf16:
      return use(WordReader<S, FloatKind::bf16>{nullptr});
    case FloatKind::words:
      return use(WordReader<S, FloatKind::words>{w.table});
    case FloatKind::values:
    case FloatKind::halves:
      break;
  }
  using Fn = void (*)(const FloatWeights&, const Use&);
  static constexpr Fn kBits[] = {
      with_code_reader<S, 1, Use>, with_code_reader<S, 2, Use>, with_code_reader<S, 3, Use>,
      with_code_reader<S, 4, Use>, with_code_reader<S, 5, Use>, with_code_reader<S, 6, Use>,
      with_code_reader<S, 7, Use>, with_code_reader<S, 8, Use>, with_code_reader<S, kTrits, Use>};
  kBits[w.bits - 1](w, use);
}

// ---- panels: weights as fp32 in memory, for many tokens ----

template <class S, class Reader, int J>
LOWBIT_INLINE inline void panel_units(const Reader& reader, const uint8_t* turn, float* out) {
  if constexpr (J < Reader::kUnits) {
    const typename Reader::Unit unit = reader.template unit<J>(turn);
    S::store(out + 64 * J, reader.template value<J, 0>(unit));
    S::store(out + 64 * J + 16, reader.template value<J, 1>(unit));
    S::store(out + 64 * J + 32, reader.template value<J, 2>(unit));
    S::store(out + 64 * J + 48, reader.template value<J, 3>(unit));
    panel_units<S, Reader, J + 1>(reader, turn, out);
  }
}

// Without scales. Codes are padded to whole turns, words are not.
template <class S, class Reader>
static inline void panel_values(const FloatPanelArgs& g, int64_t block, const Reader& reader, float* out) {
  constexpr int64_t kColumns = 4 * Reader::kUnits;
  const uint8_t* turn = g.weights.packed + block * g.weights.block_bytes + g.first / kColumns * Reader::kBytes;
  int64_t col = 0;
  const int64_t whole = Reader::kScaled ? g.depth : g.depth / kColumns * kColumns;
  for (; col < whole; col += kColumns, turn += Reader::kBytes) {
    panel_units<S, Reader, 0>(reader, turn, out + col * 16);
  }
  for (; col < g.depth; ++col, turn += Reader::kBytes / 4) {
    S::store(out + col * 16, reader.template value<0, 0>(reader.template unit<0>(turn)));
  }
}

template <class S, bool Zeros, bool Minimums>
static inline void panel_scales(const FloatPanelArgs& g, int64_t block, float* out) {
  const FloatWeights& w = g.weights;
  int64_t group = g.first / w.group;
  for (int64_t col = 0; col < g.depth; ++group) {
    const int64_t at = block * w.group_step + group * 16, end = (group + 1) * w.group - g.first;
    const typename S::Float scale = S::load(w.scales + at);
    const typename S::Float zero = Zeros ? S::load(w.zeros + at) : scale;
    const typename S::Float minimum = Minimums ? S::load(w.minimums + at) : scale;
    for (; col < end && col < g.depth; ++col) {
      typename S::Float v = S::load(out + col * 16);
      if constexpr (Zeros) v = S::sub(v, zero);
      S::store(out + col * 16, Minimums ? S::fma(v, scale, minimum) : S::mul(v, scale));
    }
  }
}

template <class S>
static inline void float_panel(const FloatPanelArgs& g, int64_t block) {
  const FloatWeights& w = g.weights;
  float* out = g.panels + block * g.panel_step;
  with_reader<S>(w, [&](const auto& reader) { panel_values<S>(g, block, reader, out); });
  if (w.zeros != nullptr) {
    w.minimums != nullptr ? panel_scales<S, true, true>(g, block, out) : panel_scales<S, true, false>(g, block, out);
  } else if (w.scales != nullptr) {
    w.minimums != nullptr ? panel_scales<S, false, true>(g, block, out)
                          : panel_scales<S, false, false>(g, block, out);
  }
}

template <class S>
static inline void float_panels(const FloatPanelArgs& g) {
  for (int64_t b = 0; b < g.blocks; ++b) float_panel<S>(g, b);
}

// ---- tiles: many tokens ----

// Floats of activations that are asked for ahead, as above.
constexpr int64_t kTilesAhead = 1024;

template <class S, int Tokens, int Rows>
static inline void float_tile(const FloatTileArgs& g, const float* x, const float* panel, const float* in,
                              float* out) {
  typename S::Float acc[Tokens][Rows];
  for (int t = 0; t < Tokens; ++t) {
    for (int r = 0; r < Rows; ++r) acc[t][r] = in == nullptr ? S::zero() : S::load(in + t * g.in_stride + r * 16);
  }
  const int64_t step = g.panel_step;
  for (int64_t p = 0; p < g.depth; ++p) {
    __builtin_prefetch(x + kTilesAhead, 0, 2);
    typename S::Float w[Rows];
    for (int r = 0; r < Rows; ++r) w[r] = S::load(panel + r * step);
    for (int t = 0; t < Tokens; ++t) {
      const typename S::Float a = S::broadcast(x[t]);
      for (int r = 0; r < Rows; ++r) acc[t][r] = S::fma(w[r], a, acc[t][r]);
    }
    panel += 16;
    x += Tokens;
  }
  for (int t = 0; t < Tokens; ++t) {
    for (int r = 0; r < Rows; ++r) S::store(out + t * g.out_stride + r * 16, acc[t][r]);
  }
}

template <class S, int Tokens, int Rows>
static inline void float_tile_of(int64_t tokens, const FloatTileArgs& g, const float* x, const float* panel,
                                 const float* in, float* out) {
  if constexpr (Tokens > 1) {
    if (tokens < Tokens) return float_tile_of<S, Tokens - 1, Rows>(tokens, g, x, panel, in, out);
  }
  float_tile<S, Tokens, Rows>(g, x, panel, in, out);
}

// Row blocks from `block` on, Rows at once, against all tokens: their panels stay in the first-level cache. Each tile
// asks for its share of what comes next: all at once would wait for memory.
template <class S, int Rows>
static inline int64_t float_rows(const FloatTileArgs& g, int64_t block) {
  for (; block + Rows <= g.blocks; block += Rows) {
    const int64_t lines = (g.ahead_bytes + 63) / 64;
    for_each_tile(g.tokens, S::kFloatTile, [&](int64_t token, int64_t size) {
      for (int r = 0; r < Rows; ++r) {
        const uint8_t* ahead = g.ahead + (block + r) * g.ahead_step;
        for (int64_t i = lines * token / g.tokens; i < lines * (token + size) / g.tokens; ++i) {
          __builtin_prefetch(ahead + 64 * i, 0, 2);
        }
      }
      float_tile_of<S, S::kFloatTile, Rows>(size, g, g.x + token * g.depth, g.panels + block * g.panel_step,
                                            g.in == nullptr ? nullptr : g.in + token * g.in_stride + block * 16,
                                            g.out + token * g.out_stride + block * 16);
    });
  }
  return block;
}

template <class S>
static inline void float_tiles(const FloatTileArgs& g) {
  const int64_t block = float_rows<S, S::kFloatRows>(g, 0);
  if constexpr (S::kFloatRows > 1) float_rows<S, 1>(g, block);
}

// ---- few tokens, from packed weights ----

// Bytes that few tokens ask for weights ahead. Not as AskedAhead has it: a distance in a register costs others.
constexpr int64_t kFloatsAhead = 4096;

// Each output is one chain: the latency of its additions is hidden by row blocks side by side.
template <class S, class Reader, int Tokens, int Rows>
struct FloatFewTile {
  const FloatFewArgs& g;
  static constexpr bool kChecked = requires { Reader::kChecked; };
  static constexpr bool kNarrow = Reader::kScaled && !S::kByteTables;  // registers are few
  Reader reader;
  typename S::Float acc[Rows][Tokens];
  typename S::Float scale[Rows];
  const uint8_t* at[Rows];
  const float* scales[Rows];
  float* out[Rows];

  // Row blocks beyond the last are the last again.
  LOWBIT_INLINE void begin(int64_t block) {
    for (int r = 0; r < Rows; ++r) {
      const int64_t b = block + r < g.blocks ? block + r : g.blocks - 1;
      at[r] = g.weights.packed + b * g.weights.block_bytes;
      if constexpr (Reader::kScaled) scales[r] = g.weights.scales + b * g.weights.group_step;
      out[r] = g.out + b * 16;
      for (int t = 0; t < Tokens; ++t) acc[r][t] = S::zero();
    }
  }
  LOWBIT_INLINE void next_group() {
    for (int r = 0; r < Rows; ++r) {
      scale[r] = S::load(scales[r]);
      scales[r] += 16;
    }
  }
  template <int J, int C, bool Careful>
  LOWBIT_INLINE void column(typename Reader::Unit* units, const float* x) {
    const auto weight = [&](int r) {
      const typename S::Float v = value<J, C, Careful>(units[r]);
      if constexpr (kNarrow) return S::mul(v, S::load(scales[r] - 16));
      return Reader::kScaled ? S::mul(v, scale[r]) : v;
    };
    const auto activation = [&](int t) { return S::broadcast(x[t * g.x_stride + 4 * J + C]); };
    // What is used again is held: the fewer of the two.
    if constexpr (Tokens < Rows) {
      typename S::Float a[Tokens];
      for (int t = 0; t < Tokens; ++t) a[t] = activation(t);
      for (int r = 0; r < Rows; ++r) {
        const typename S::Float w = weight(r);
        for (int t = 0; t < Tokens; ++t) acc[r][t] = S::fma(w, a[t], acc[r][t]);
        if constexpr (kNarrow) {
          if (r + 1 < Rows) S::one_after_other(acc[r][0], units[r + 1]);
        }
      }
    } else {
      typename S::Float w[Rows];
      for (int r = 0; r < Rows; ++r) w[r] = weight(r);
      for (int t = 0; t < Tokens; ++t) {
        const typename S::Float a = activation(t);
        for (int r = 0; r < Rows; ++r) acc[r][t] = S::fma(w[r], a, acc[r][t]);
      }
    }
  }
  template <int J, int C, bool Careful>
  LOWBIT_INLINE typename S::Float value(const typename Reader::Unit& unit) const {
    if constexpr (kChecked) {
      return reader.template value<J, C, Careful>(unit);
    } else {
      return reader.template value<J, C>(unit);
    }
  }
  // Column by column: decoded all at once they would not fit the registers of AVX2.
  template <int J, bool Careful>
  LOWBIT_INLINE void columns(typename Reader::Unit* unit, const float* x) {
    column<J, 0, Careful>(unit, x);
    order(unit);
    column<J, 1, Careful>(unit, x);
    order(unit);
    column<J, 2, Careful>(unit, x);
    order(unit);
    column<J, 3, Careful>(unit, x);
    order(unit);
  }
  LOWBIT_INLINE void order(typename Reader::Unit* unit) {
    if constexpr (kNarrow) {
      for (int r = 0; r < Rows; ++r) {
        for (int t = 0; t < Tokens; ++t) S::one_after_other(acc[r][t], unit[r]);
      }
      asm volatile("" : : : "memory");  // nor are scales, and planes for the units that follow, kept
    }
  }
  template <int J>
  LOWBIT_INLINE void units(const float* x) {
    if constexpr (J < Reader::kUnits) {
      typename Reader::Unit unit[Rows];
      bool nan = false;
      for (int r = 0; r < Rows; ++r) {
        unit[r] = reader.template unit<J>(at[r]);
        if constexpr (kChecked) nan = nan || reader.any_nan(unit[r]);
      }
      if constexpr (kChecked) {
        nan ? columns<J, true>(unit, x) : columns<J, false>(unit, x);
      } else {
        columns<J, false>(unit, x);
      }
      units<J + 1>(x);
    }
  }
  LOWBIT_INLINE void turn(const float* x) {
    for (int r = 0; r < Rows; ++r) {
      for (int i = 0; i < Reader::kBytes; i += 64) __builtin_prefetch(at[r] + kFloatsAhead + i, 0, 2);
    }
    units<0>(x);
    for (int r = 0; r < Rows; ++r) at[r] += Reader::kBytes;
  }
  // One column of words.
  LOWBIT_INLINE void word(const float* x) {
    column<0, 0, false>(at, x);
    for (int r = 0; r < Rows; ++r) at[r] += Reader::kBytes / 4;
  }
  LOWBIT_INLINE void end() {
    for (int r = 0; r < Rows; ++r) {
      for (int t = 0; t < Tokens; ++t) S::store(out[r] + t * g.out_stride, acc[r][t]);
    }
  }
};

// Row blocks side by side, as far as there are registers: for each its sums, and what it keeps of its weights.
template <class S, class Reader>
constexpr int few_row_blocks(int tokens) {
  const int each = tokens + (S::kByteTables ? Reader::kVectors : 1);
  return 4 * each <= S::kFloatFewVectors ? 4 : 2 * each <= S::kFloatFewVectors ? 2 : 1;
}

template <class S, class Reader, int Tokens>
static inline void float_few_rows(const FloatFewArgs& given, const Reader& reader) {
  constexpr int kRows = few_row_blocks<S, Reader>(Tokens);
  constexpr int64_t kColumns = 4 * Reader::kUnits;
  const FloatFewArgs g = given;
  const FloatWeights& w = g.weights;
  for (int64_t block = 0; block < g.blocks; block += kRows) {
    FloatFewTile<S, Reader, Tokens, kRows> tile{g, reader, {}, {}, {}, {}, {}};
    tile.begin(block);
    int64_t col = 0;
    if constexpr (Reader::kScaled) {
      while (col < w.cols) {
        tile.next_group();
        for (const int64_t end = col + w.group < w.cols ? col + w.group : w.cols; col < end; col += kColumns) {
          tile.turn(g.x + col);
        }
      }
    } else {
      for (; col + kColumns <= w.cols; col += kColumns) tile.turn(g.x + col);
      for (; col < w.cols; ++col) tile.word(g.x + col);
    }
    tile.end();
  }
}

template <class S, int Tokens, class Reader>
static inline void float_few_tokens(const FloatFewArgs& g, const Reader& reader) {
  if constexpr (Tokens > 1) {
    if (g.tokens < Tokens) return float_few_tokens<S, Tokens - 1>(g, reader);
  }
  float_few_rows<S, Reader, Tokens>(g, reader);
}

// The weights of some row blocks stay in the caches for all tiles of tokens: of four, which tiles of few tokens take
// side by side, where there are such tiles.
template <class S, class Reader>
static inline void float_few_of(const FloatFewArgs& g, const Reader& reader) {
  const int64_t most = g.tokens <= 3 * S::kFloatFewTokens ? 4 : 2;
  FloatFewArgs part = g;
  for (int64_t block = 0; block < g.blocks; block += most) {
    part.blocks = g.blocks - block < most ? g.blocks - block : most;
    part.weights.packed = g.weights.packed + block * g.weights.block_bytes;
    if constexpr (Reader::kScaled) part.weights.scales = g.weights.scales + block * g.weights.group_step;
    for_each_tile(g.tokens, S::kFloatFewTokens, [&](int64_t token, int64_t tokens) {
      part.tokens = tokens;
      part.x = g.x + token * g.x_stride;
      part.out = g.out + token * g.out_stride + block * 16;
      float_few_tokens<S, S::kFloatFewTokens>(part, reader);
    });
  }
}

template <class S>
static inline void float_few(const FloatFewArgs& g) {
  if constexpr (S::kFloatFewVectors > 0) {
    const FloatWeights& w = g.weights;
    if (w.kind == FloatKind::f32) return float_few_of<S>(g, WordReader<S, FloatKind::f32>{nullptr});
    if (w.kind == FloatKind::f16) return float_few_of<S>(g, WordReader<S, FloatKind::f16>{nullptr});
    if (w.kind == FloatKind::bf16) return float_few_of<S>(g, WordReader<S, FloatKind::bf16>{nullptr});
    if (w.bits == 4) return float_few_of<S>(g, ValueReader<S, 4>{w.table});
    if constexpr (S::kByteTables) {
      float_few_of<S>(g, HalvesReader<S, 8, true>{w.halves});
    } else if (w.bits == 6) {
      float_few_of<S>(g, SmallReader<S, 6>{*w.small});
    } else {
      float_few_of<S>(g, SmallReader<S, 8>{*w.small});
    }
  }
}

}  // namespace lowbit::kernels

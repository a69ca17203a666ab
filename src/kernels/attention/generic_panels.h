// Products of few rows with numbers or codes in tiles.
#pragma once

#include "kernels/attention/args.h"
#include "kernels/attention/generic_tiles.h"

namespace lowbit::kernels {

template <class S, int Rows, int Panels>
static inline void panels_tile(const PanelsArgs& g, const float* a, const float* b, float* c) {
  typename S::Float acc[Rows][Panels];
  for (int r = 0; r < Rows; ++r) {
    for (int j = 0; j < Panels; ++j) acc[r][j] = g.fresh ? S::zero() : S::load(c + j * g.pitch * 16 + r * 16);
  }
  for (int64_t p = g.begin; p < g.end;) {
    const int64_t stop = (p | 15) + 1 < g.end ? (p | 15) + 1 : g.end;
    const float* x = a + p / 16 * g.pitch * 16 + p % 16;
    const float* y = b + p / 16 * g.b_block + p % 16 * 16;
    for (; p < stop; ++p, ++x, y += 16) {
      typename S::Float w[Panels];
      for (int j = 0; j < Panels; ++j) w[j] = S::load(y + j * g.b_panel);
      for (int r = 0; r < Rows; ++r) {
        const typename S::Float q = S::broadcast(x[r * 16]);
        for (int j = 0; j < Panels; ++j) acc[r][j] = S::fma(q, w[j], acc[r][j]);
      }
    }
  }
  for (int r = 0; r < Rows; ++r) {
    for (int j = 0; j < Panels; ++j) S::store(c + j * g.pitch * 16 + r * 16, acc[r][j]);
  }
}

// `Rows` rows against all panels, Panels at a time.
template <class S, int Rows, int Panels>
static inline void panels_rows(const PanelsArgs& g, int64_t row) {
  const float* a = g.a + row * 16;
  float* c = g.c + row * 16;
  int64_t j = 0;
  for (; j + Panels <= g.panels; j += Panels) {
    panels_tile<S, Rows, Panels>(g, a, g.b + j * g.b_panel, c + j * g.pitch * 16);
  }
  if constexpr (Panels > 1) {
    for (; j < g.panels; ++j) panels_tile<S, Rows, 1>(g, a, g.b + j * g.b_panel, c + j * g.pitch * 16);
  }
}

// Register tiles: as many accumulators as the registers take, of few rows as many panels as keep the chains apart.
template <class S>
static inline void float_panels(const PanelsArgs& g) {
  constexpr bool kWide = S::kFloatTile >= 12;
  constexpr int kMost = S::kFloatTile;
  int64_t row = 0;
  for (; row + kMost <= g.rows; row += kMost) panels_rows<S, kMost, kWide ? 2 : 1>(g, row);
  if constexpr (kWide) {
    for (; row + 8 <= g.rows; row += 8) panels_rows<S, 8, 2>(g, row);
    for (; row + 6 <= g.rows; row += 6) panels_rows<S, 6, 4>(g, row);
  }
  for (; row + 4 <= g.rows; row += 4) panels_rows<S, 4, kWide ? 4 : 1>(g, row);
  for (; row + 3 <= g.rows; row += 3) panels_rows<S, 3, kWide ? 4 : 1>(g, row);
  for (; row + 2 <= g.rows; row += 2) panels_rows<S, 2, kWide ? 4 : 2>(g, row);
  for (; row < g.rows; ++row) panels_rows<S, 1, 4>(g, row);
}

// ---- straight from codes ----

// Few scales are read at a time, too few for the processor to see where they go on.
static inline void ask_scales_ahead(const TilesArgs& g, int64_t at) {
  const int64_t entry = g.scale_kind == ScaleKind::f32 ? 4 : 2;
  __builtin_prefetch(static_cast<const uint8_t*>(g.scales) + (at + g.blocks * g.groups * 16) * entry, 0, 2);
}

// A panel of B as codes: open() goes to 16 reduction indices, unit() to 4 of them, number<Column>() gives one. The
// columns of a tile share their scales; no scale is one of 1.
template <class S, int Bits, Values V, Widening W, bool Keys>
struct CodePanel {
  const TilesArgs* t;
  int64_t panel;
  const uint8_t* at;
  typename S::Bytes both, codes;
  RowScale<S> scale;  // of keys: by lane
  float* kept;        // of values: 16 scales and 16 offsets by index

  void open(int64_t p) {
    const int64_t block = Keys ? panel : p, tile = Keys ? p : panel;
    at = t->codes + (block * t->pitch + tile) * 32 * Bits;
    ask_ahead(*t, at, 32 * Bits);
    scale.scale = S::broadcast(1.0f);
    if (t->scale_kind != ScaleKind::none) {
      const auto col = static_cast<uint32_t>(t->first_tile + tile) * 16;
      const int64_t group = t->groups == 1 ? 0 : col / static_cast<uint32_t>(t->group);
      const int64_t first = (block * t->groups + group) * 16;
      scale.scale = load_scales<S>(t->scale_kind, t->scales, first);
      ask_scales_ahead(*t, first);
    }
    scale.offset = S::mul(scale.scale, S::broadcast(-kTileBias<Bits>));
    if constexpr (!Keys) {
      S::store(kept, scale.scale);
      S::store(kept + 16, scale.offset);
    }
  }

  void unit(int u) {
    if constexpr (Bits == 8) {
      codes = S::bytes_load(at + 64 * u);
    } else {
      if (u % 2 == 0) both = S::bytes_load(at + 32 * u);
      codes = u % 2 == 0 ? S::template field<0, 4, 0>(both) : S::template field<4, 4, 0>(both);
    }
  }

  template <int Column>
  typename S::Float number(int u) const {
    if constexpr (Keys) return tile_row<S, Bits, V, W, Column>(*t, codes, scale);
    const float* row = kept + 4 * u + Column;
    return tile_row<S, Bits, V, W, Column>(*t, codes, {S::broadcast(row[0]), S::broadcast(row[16])});
  }
};

// The same of 16-bit words.
template <class S, bool Bfloat>
struct WordPanel {
  const TilesArgs* t;
  int64_t panel;
  const uint16_t* at;
  float* kept;  // not needed

  void open(int64_t p) {
    const uint8_t* bytes = t->codes + (t->keys ? panel * t->pitch + p : p * t->pitch + panel) * 512;
    ask_ahead(*t, bytes, 512);
    at = reinterpret_cast<const uint16_t*>(bytes);
  }

  void unit(int) {}

  template <int Column>
  typename S::Float number(int u) const {
    const uint16_t* words = at + (4 * u + Column) * 16;
    return Bfloat ? S::load_bf16(words) : S::load_f16(words);
  }
};

template <class S, class Panel, int Rows, int Panels, int Column>
static inline __attribute__((always_inline)) void code_step(const Panel (&b)[Panels], int u, const float* x,
                                                            typename S::Float (&acc)[Rows][Panels]) {
  typename S::Float w[Panels];
  for (int j = 0; j < Panels; ++j) w[j] = b[j].template number<Column>(u);
  for (int r = 0; r < Rows; ++r) {
    const typename S::Float q = S::broadcast(x[r * 16 + 4 * u + Column]);
    for (int j = 0; j < Panels; ++j) acc[r][j] = S::fma(q, w[j], acc[r][j]);
  }
}

// Rows from `row` on against panels from `panel` on; where fewer are left, the last one is computed again.
template <class S, class Panel, int Rows, int Panels>
static inline void code_tile(const PanelsArgs& g, int64_t row, int64_t panel) {
  alignas(64) float kept[Panels][32];
  typename S::Float acc[Rows][Panels];
  Panel b[Panels];
  float* c[Panels];
  for (int j = 0; j < Panels; ++j) {
    b[j].t = g.codes;
    b[j].panel = panel + j < g.panels ? panel + j : g.panels - 1;
    b[j].kept = kept[j];
    c[j] = g.c + (b[j].panel * g.pitch + row) * 16;
    for (int r = 0; r < Rows; ++r) acc[r][j] = g.fresh ? S::zero() : S::load(c[j] + r * 16);
  }
  for (int64_t p = g.begin / 16 * 16; p < g.end; p += 16) {
    const int64_t from = g.begin - p, to = g.end - p;
    const float* x = g.a + (p / 16 * g.pitch + row) * 16;
    for (int j = 0; j < Panels; ++j) b[j].open(p / 16);
    for (int u = 0; u < 4; ++u) {
      for (int j = 0; j < Panels; ++j) b[j].unit(u);
      if (4 * u >= from && 4 * u < to) code_step<S, Panel, Rows, Panels, 0>(b, u, x, acc);
      if (4 * u + 1 >= from && 4 * u + 1 < to) code_step<S, Panel, Rows, Panels, 1>(b, u, x, acc);
      if (4 * u + 2 >= from && 4 * u + 2 < to) code_step<S, Panel, Rows, Panels, 2>(b, u, x, acc);
      if (4 * u + 3 >= from && 4 * u + 3 < to) code_step<S, Panel, Rows, Panels, 3>(b, u, x, acc);
    }
  }
  for (int r = 0; r < Rows; ++r) {
    for (int j = 0; j < Panels; ++j) S::store(c[j] + r * 16, acc[r][j]);
  }
}

template <class S, class Panel, int Rows, int Panels>
static inline void code_rows(const PanelsArgs& g, int64_t& row) {
  for (; row + Rows <= g.rows; row += Rows) {
    for (int64_t j = 0; j < g.panels; j += Panels) code_tile<S, Panel, Rows, Panels>(g, row, j);
  }
}

template <class S, class Panel>
static inline void panels_of(const PanelsArgs& g) {
  constexpr bool kWide = S::kFloatTile >= 12;
  int64_t row = 0;
  if constexpr (kWide) {
    code_rows<S, Panel, 8, 2>(g, row);
    code_rows<S, Panel, 7, 2>(g, row);
    code_rows<S, Panel, 6, 2>(g, row);
  }
  code_rows<S, Panel, 4, kWide ? 2 : 1>(g, row);
  code_rows<S, Panel, 3, kWide ? 2 : 1>(g, row);
  code_rows<S, Panel, 2, kWide ? 4 : 2>(g, row);
  code_rows<S, Panel, 1, kWide ? 4 : 2>(g, row);
}

template <class S, int Bits, Values V, Widening W>
static inline void panels_of(const PanelsArgs& g) {
  g.codes->keys ? panels_of<S, CodePanel<S, Bits, V, W, true>>(g) : panels_of<S, CodePanel<S, Bits, V, W, false>>(g);
}

// Of 4 bits a table is one register; of 8 it is too slow to be read anew for each tile of rows.
template <class S, int Bits>
static inline void panels_of_bits(const PanelsArgs& g) {
  const TilesArgs& t = *g.codes;
  if constexpr (Bits == 4) {
    if (t.table != nullptr) return panels_of<S, Bits, Values::table, Widening::scaled>(g);
  }
  if (t.scale_kind == ScaleKind::none || t.scale_kind == ScaleKind::f16) {
    panels_of<S, Bits, Values::number, Widening::fused>(g);
  } else {
    panels_of<S, Bits, Values::number, Widening::scaled>(g);
  }
}

template <class S>
static inline void word_panels(const PanelsArgs& g) {
  g.codes->words == ScaleKind::bf16 ? panels_of<S, WordPanel<S, true>>(g) : panels_of<S, WordPanel<S, false>>(g);
}

// Multiplies with codes as they are, if that is faster: where registers hold what they need beside a tile.
template <class S>
static inline bool code_panels(const PanelsArgs& g) {
  const TilesArgs& t = *g.codes;
  if constexpr (S::kFloatTile >= 6) {
    if (t.bits == 16) return word_panels<S>(g), true;
  }
  if constexpr (S::kFloatTile >= 12) {
    if (t.groups > 1 && t.group % 16 != 0) return false;
    if (t.bits == 4) return panels_of_bits<S, 4>(g), true;
    if (t.table == nullptr) return panels_of_bits<S, 8>(g), true;
  }
  return false;
}

// ---- either ----

template <class S>
static inline void panels(const PanelsArgs& g) {
  if (g.codes == nullptr) return float_panels<S>(g);
  if (code_panels<S>(g)) return;
  widen_tiles<S>(*g.codes);
  PanelsArgs wide = g;
  const int64_t block = g.codes->tiles * 256;
  wide.codes = nullptr;
  wide.b = g.codes->y;
  wide.b_block = g.codes->keys ? 256 : block;
  wide.b_panel = g.codes->keys ? block : 256;
  float_panels<S>(wide);
}

}  // namespace lowbit::kernels

// Integer products of many tokens by the tile registers of AMX; what ends a stretch by vectors of AVX-512.
#include "kernels/matmul/generic_dot.h"
#include "simd/avx512.h"
#include "simd/tiles.h"

namespace lowbit::kernels::amx {

namespace {

using S = simd::avx512::Simd;

// Sums of a tile: of 16 tokens and a row block.
constexpr int kSums = 256;

// Sums 0 to 3 are those of tokens 4, 4, 5, 5 and weights 6, 7, 6, 7. GCC takes numerals alone.
template <bool Signed, int Sum>
LOWBIT_INLINE inline void multiply() {
  if constexpr (Signed) {
    if constexpr (Sum == 0) _tile_dpbssd(0, 4, 6);
    if constexpr (Sum == 1) _tile_dpbssd(1, 4, 7);
    if constexpr (Sum == 2) _tile_dpbssd(2, 5, 6);
    if constexpr (Sum == 3) _tile_dpbssd(3, 5, 7);
  } else {
    if constexpr (Sum == 0) _tile_dpbsud(0, 4, 6);
    if constexpr (Sum == 1) _tile_dpbsud(1, 4, 7);
    if constexpr (Sum == 2) _tile_dpbsud(2, 5, 6);
    if constexpr (Sum == 3) _tile_dpbsud(3, 5, 7);
  }
}

// Where results of a stretch come from or go to.
struct Rows {
  float* data;
  int64_t stride;
};

// Brings the sums of a stretch from `from` to `to`. entry: of the first token.
template <class Entries>
LOWBIT_INLINE inline void end_tokens(const StretchArgs& g, const Entries& entries, int64_t group, int64_t block,
                                     int64_t entry, int64_t tokens, const int32_t* sums, const Rows& from,
                                     const Rows& to) {
#pragma GCC unroll 4
  for (int64_t t = 0; t < tokens; ++t) {
    S::Int sum[1][1] = {{S::int_load(sums + 16 * t)}};
    S::Float acc[1][1] = {{S::load(from.data + t * from.stride)}};
    end_stretch<S>(g, entries, group, block, entry + t, sum, acc);
    S::store(to.data + t * to.stride, acc[0][0]);
  }
}

// One or two tiles of tokens times one or two row blocks.
template <int Blocks, int Tiles, bool Signed, More Kind>
class Square {
 public:
  // Tiles [tile, tile + Tiles) of those that for_each_tile gives.
  Square(const PaneDotArgs& args, int64_t block, int64_t tile) : args_(&args), block_(block) {
    const int64_t tokens = args.dot.tokens;
    for (int64_t i = 0; i < Tiles; ++i) {
      const TileOfTokens at = tile_at(tokens, tiles_of(tokens, kPaneTokens), tile + i);
      count_[i] = at.size;
      token_[i] = at.first;
      codes_[i] = args.dot.codes + token_[i] * args.row_panes * kPaneColumns;
    }
    weights_ = args.dot.panels + block * args.step;
  }
  int64_t tokens() const { return Tiles == 2 ? count_[0] + count_[1] : count_[0]; }
  int64_t token() const { return token_[0]; }
  bool same_shape(const Square& other) const {
    return count_[0] == other.count_[0] && (Tiles == 1 || count_[1] == other.count_[1]);
  }
  void set(simd::TileShape& shape) const {
    shape.set(static_cast<int>(count_[0]), static_cast<int>(count_[Tiles - 1]));
  }

  // The sums of stretch s, which follows the one before, in tile registers. Chains of sums take turns: one waits for
  // itself 52 cycles, a product takes 16.
  LOWBIT_INLINE void multiply_stretch(int64_t s) {
    const DotStretch& stretch = args_->dot.stretch.stretches[s];
    const int64_t first = first_pane(stretch), panes = panes_of(stretch);
    _tile_zero(0);
    if constexpr (Blocks == 2) _tile_zero(1);
    if constexpr (Tiles == 2) _tile_zero(2);
    if constexpr (Tiles == 2 && Blocks == 2) _tile_zero(3);
    for (int64_t p = 0; p < panes; ++p, weights_ += kPaneBytes) {
      _tile_loadd(4, codes_[0] + (first + p) * count_[0] * kPaneColumns, 64);
      _tile_loadd(6, weights_, 64);
      multiply<Signed, 0>();
      if constexpr (Blocks == 2) {
        _tile_loadd(7, weights_ + args_->step, 64);
        multiply<Signed, 1>();
      }
      if constexpr (Tiles == 2) {
        _tile_loadd(5, codes_[1] + (first + p) * count_[1] * kPaneColumns, 64);
        multiply<Signed, 2>();
        if constexpr (Blocks == 2) multiply<Signed, 3>();
      }
    }
  }

  // Brings the sums of a tile over stretch s, in memory, to what the stretches before gave; the last one to out.
  LOWBIT_INLINE void end(int64_t s, int i, int b, const int32_t* sums, float* between) const {
    const DotArgs& g = args_->dot;
    const int64_t group = g.stretch.stretches[s].weight_group, block = block_ + b;
    const int64_t entry = (token_[i] * g.stretch.stretch_count) + s * count_[i];
    alignas(64) static constexpr float kZeros[16] = {};
    Rows from = {between, 16}, to = {between, 16};
    if (s == 0) from = {const_cast<float*>(kZeros), 0};
    if (s == 0 && g.sums != nullptr)
      from = {const_cast<float*>(g.sums) + token_[i] * g.sums_stride + 16 * block, g.sums_stride};
    if (s + 1 == g.stretch.stretch_count) to = {g.out + token_[i] * g.out_stride + 16 * block, g.out_stride};
    const FloatEntries<S, Kind> entries;
    if constexpr (Kind == More::any) {
      end_tokens(g.stretch, entries, group, block, entry, count_[i], sums, from, to);
    } else {
      const KeptEntries<S, Kind> kept(entries, g.stretch, block * g.stretch.group_step + 16 * group);
      end_tokens(g.stretch, kept, group, block, entry, count_[i], sums, from, to);
    }
  }

 private:
  const PaneDotArgs* args_;
  int64_t block_;
  int64_t token_[2] = {}, count_[2] = {};
  const int8_t* codes_[2] = {};
  const uint8_t* weights_;
};

// All squares of Tiles tiles from `tile` on, which are one behind the other for the processor: while vectors end a
// stretch, the next one multiplies, be it of the same tokens or the next.
template <int Blocks, int Tiles, bool Signed, More Kind>
__attribute__((noinline)) void squares(const PaneDotArgs& args, int64_t block, int64_t tile, int64_t end) {
  using Tokens = Square<Blocks, Tiles, Signed, Kind>;
  const int64_t stretches = args.dot.stretch.stretch_count;
  alignas(64) int32_t sums[4][kSums];
  alignas(64) float between[4][kSums];
  Tokens now(args, block, tile);
  simd::TileShape shape(1, 1);
  for (bool started = false; tile < end; tile += Tiles) {
    if (!started) {
      now.set(shape);
      now.multiply_stretch(0);
      _tile_stored(0, sums[0], 64);
      if constexpr (Blocks == 2) _tile_stored(1, sums[1], 64);
      if constexpr (Tiles == 2) _tile_stored(2, sums[2], 64);
      if constexpr (Tiles == 2 && Blocks == 2) _tile_stored(3, sums[3], 64);
    }
    Tokens next = now;
    if (tile + Tiles < end) next = Tokens(args, block, tile + Tiles);
    started = tile + Tiles < end && next.same_shape(now);
    Ahead ahead(args.dot, now.token(), now.tokens());
    for (int64_t s = 0; s < stretches; ++s) {
      ahead.ask();
      const bool last = s + 1 == stretches, more = !last || started;
      if (more) (last ? next : now).multiply_stretch(last ? 0 : s + 1);
      // Sums are stored where others have just been read: elsewhere reads would wait for stores 4096 bytes away.
      now.end(s, 0, 0, sums[0], between[0]);
      if (more) _tile_stored(0, sums[0], 64);
      if constexpr (Blocks == 2) {
        now.end(s, 0, 1, sums[1], between[1]);
        if (more) _tile_stored(1, sums[1], 64);
      }
      if constexpr (Tiles == 2) {
        now.end(s, 1, 0, sums[2], between[2]);
        if (more) _tile_stored(2, sums[2], 64);
      }
      if constexpr (Tiles == 2 && Blocks == 2) {
        now.end(s, 1, 1, sums[3], between[3]);
        if (more) _tile_stored(3, sums[3], 64);
      }
    }
    now = next;
  }
}

template <int Blocks, bool Signed, More Kind>
void tokens_of(const PaneDotArgs& args, int64_t block) {
  const int64_t tiles = tiles_of(args.dot.tokens, kPaneTokens), even = tiles / 2 * 2;
  squares<Blocks, 2, Signed, Kind>(args, block, 0, even);
  if (even < tiles) squares<Blocks, 1, Signed, Kind>(args, block, even, tiles);
}

template <bool Signed, More Kind>
void blocks_of(const PaneDotArgs& args) {
  int64_t block = 0;
  for (; block + 2 <= args.dot.blocks; block += 2) tokens_of<2, Signed, Kind>(args, block);
  for (; block < args.dot.blocks; ++block) tokens_of<1, Signed, Kind>(args, block);
}

template <bool Signed>
void kinds(const PaneDotArgs& args) {
  const StretchArgs& g = args.dot.stretch;
  if (g.offsets != nullptr) return blocks_of<Signed, More::any>(args);
  g.minimums != nullptr ? blocks_of<Signed, More::minima>(args) : blocks_of<Signed, More::none>(args);
}

}  // namespace

void panes(const PanesArgs& args) {
  const __m512i add = _mm512_set1_epi8(static_cast<char>(args.add));
  uint8_t* out = args.panes;
  for (int64_t s = 0; s < args.stretch_count; ++s) {
    const DotStretch& stretch = args.stretches[s];
    const int64_t first = kPaneUnits * first_pane(stretch), end = first + kPaneUnits * panes_of(stretch);
    for (int64_t u = first; u < end; ++u, out += 64) {
      const bool inside = u >= stretch.begin_unit && u < stretch.end_unit;
      S::Bytes codes = S::bytes_zero();
      if (inside) codes.v = _mm512_add_epi8(S::bytes_load(args.panel + 64 * (u - args.first_unit)).v, add);
      S::bytes_store(out, codes);
    }
  }
}

void pane_dot(const PaneDotArgs& args) { args.signed_weights ? kinds<true>(args) : kinds<false>(args); }

}  // namespace lowbit::kernels::amx

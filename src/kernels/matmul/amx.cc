// Integer products of many tokens by the tile registers of AMX; what ends a stretch by vectors of AVX-512.
#include "kernels/matmul/generic_dot.h"
#include "simd/avx512.h"
#include "simd/tiles.h"

namespace lowbit::kernels::amx {

namespace {

using S = simd::avx512::Simd;

// Sums of a tile: of 16 tokens and a row block.
constexpr int kSums = 256;
// Bytes that weights are asked for ahead.
constexpr int64_t kAhead = 2048;

// Row blocks times tiles [tile, end) of those that for_each_tile gives, which have the same number of tokens. While
// vectors end a stretch the next one is multiplied, be it of another row block or tile: only what stands close
// together in the program is done at once, so that steps between stretches are kept few.
template <bool Signed, More Kind>
class Line {
 public:
  Line(const PaneDotArgs& args, int64_t tile, int64_t end)
      : a_(args),
        tiles_(end - tile),
        tokens_(tile_at(args.tokens, tiles_of(args.tokens, kPaneTokens), tile).size),
        first_(tile_at(args.tokens, tiles_of(args.tokens, kPaneTokens), tile).first),
        row_bytes_(int64_t{4} << args.pane_shift),
        panes_(panes_of(args.stretch.stretches[0], args.pane_shift)),
        last_panes_(panes_of(args.stretch.stretches[args.stretch.stretch_count - 1], args.pane_shift)) {}

  LOWBIT_INLINE void run() {
    alignas(64) int32_t sums[kSums] = {};
    const int64_t stretches = a_.stretch.stretch_count;
    const int8_t* codes = codes_of(0);
    const uint8_t* weights = a_.panes;
    multiply(stretches == 1, codes, weights);
    _tile_stored(0, sums, 64);
    for (int64_t tile = 0; tile < tiles_; ++tile) {
      for (int64_t block = 0; block < a_.blocks; ++block) {
        Acc acc[kPaneTokens];
        begin(tile, block, acc);
        alignas(64) float inner[16 * kPaneTokens];  // of a span of several stretches
        for (int64_t t = 0; t < kPaneTokens && a_.stretch.long_spans; ++t) S::store(inner + 16 * t, S::zero());
        Ahead next = ahead(tile, block), next_tokens = tokens_ahead(tile, block);
#pragma GCC unroll 2
        for (int64_t s = 0; s < stretches; ++s) {
          next.template ask<2>();
          next_tokens.template ask<3>();
          if (s + 1 == stretches) {
            // Behind the last one comes the first again: its product is not wanted, but can be had.
            const bool more = block + 1 < a_.blocks;
            codes = codes_of(more ? tile : tile + 1 < tiles_ ? tile + 1 : 0);
            weights = a_.panes + (more ? (block + 1) * a_.step : 0);
          }
          multiply(s + 2 == stretches || stretches == 1, codes, weights);
          end_tokens(s, block, entry(tile, s), sums, inner, acc);
          _tile_stored(0, sums, 64);
        }
        finish(tile, block, acc);
      }
    }
  }

 private:
  struct Acc {
    S::Float of[1][1];
  };

  int64_t token(int64_t tile) const { return first_ + tile * tokens_; }
  // Of stretch s, for the tokens of a tile.
  int64_t entry(int64_t tile, int64_t s) const { return token(tile) * a_.stretch.stretch_count + s * tokens_; }
  // Bytes of a token in all panes.
  int64_t token_bytes() const { return ((a_.stretch.stretch_count - 1) * panes_ + last_panes_) * row_bytes_; }
  const int8_t* codes_of(int64_t tile) const { return a_.codes + token(tile) * token_bytes(); }

  // The sums of a stretch, into tile 0.
  LOWBIT_INLINE void multiply(bool last, const int8_t*& codes, const uint8_t*& weights) {
    _tile_zero(0);
#pragma GCC unroll 1
    for (int64_t p = last ? last_panes_ : panes_; p > 0; --p) {
      _tile_loadd(1, codes, row_bytes_);
      _tile_loadd(2, weights, 64);
      if constexpr (Signed) {
        _tile_dpbssd(0, 1, 2);
      } else {
        _tile_dpbsud(0, 1, 2);
      }
      // Row blocks together are more than the first-level cache holds.
      for (int64_t r = 0; r < 16 * row_bytes_; r += 256) {
        for (int64_t i = 0; i < 256; i += 64) __builtin_prefetch(weights + kAhead + r + i, 0, 3);
      }
      codes += tokens_ * row_bytes_;
      weights += 16 * row_bytes_;
    }
  }

  // Stretch s, whose sums are given. entry: of the first token's activations.
  LOWBIT_INLINE void end_tokens(int64_t s, int64_t block, int64_t entry, const int32_t* sums, float* inner,
                                Acc (&acc)[kPaneTokens]) const {
    const StretchArgs& g = a_.stretch;
    const DotStretch& stretch = g.stretches[s];
    if (!g.long_spans) return end_span<true>(stretch, block, entry, sums, inner, acc);
    if (stretch.ends_span) return end_span<false>(stretch, block, entry, sums, inner, acc);
#pragma GCC unroll 16
    for (int64_t t = 0; t < kPaneTokens; ++t) {
      S::Int sum[1][1] = {{S::int_load(sums + 16 * t)}};
      S::Float part[1][1] = {{S::load(inner + 16 * t)}};
      end_stretch<S, Kind, false>(g, stretch.weight_group, block, entry + t, sum, part);
      S::store(inner + 16 * t, part[0][0]);
    }
  }

  // The same of a stretch that ends a span. Single: there is none before it.
  template <bool Single>
  LOWBIT_INLINE void end_span(const DotStretch& stretch, int64_t block, int64_t entry, const int32_t* sums,
                              float* inner, Acc (&acc)[kPaneTokens]) const {
    const StretchArgs& g = a_.stretch;
    const int64_t group = stretch.weight_group;
    const FloatEntries<S, Kind> entries;
    const KeptEntries<S, Kind> kept(entries, g, block * g.group_step + 16 * group);
#pragma GCC unroll 16
    for (int64_t t = 0; t < kPaneTokens; ++t) {
      S::Int sum[1][1] = {{S::int_load(sums + 16 * t)}};
      S::Float part[1][1] = {{Single ? S::zero() : S::load(inner + 16 * t)}};
      end_stretch<S, Kind, Single>(g, group, block, entry + t, sum, part);
      if constexpr (Kind == More::any) {
        kernels::end_span<S>(g, entries, group, block, entry + t, part, acc[t].of);
      } else {
        kernels::end_span<S>(g, kept, group, block, entry + t, part, acc[t].of);
      }
      if (!Single) S::store(inner + 16 * t, S::zero());
      // Token by token: were all scales multiplied first, sums would not fit the registers.
      asm("" : "+v"(acc[t].of[0][0].v));
    }
  }

  // Where a tile's sums with a row block lie between stretches.
  int64_t between(int64_t tile, int64_t block) const { return 16 * (token(tile) * a_.blocks + block * tokens_); }

  LOWBIT_INLINE void begin(int64_t tile, int64_t block, Acc (&acc)[kPaneTokens]) const {
#pragma GCC unroll 16
    for (int64_t t = 0; t < kPaneTokens; ++t) {
      const bool given = a_.sums != nullptr && t < tokens_;
      acc[t].of[0][0] = given ? S::load(a_.sums + between(tile, block) + 16 * t) : S::zero();
    }
  }

  LOWBIT_INLINE void finish(int64_t tile, int64_t block, const Acc (&acc)[kPaneTokens]) const {
    const bool last = a_.kept == nullptr;
    float* to = last ? a_.out + token(tile) * a_.out_stride + 16 * block : a_.kept + between(tile, block);
    const int64_t stride = last ? a_.out_stride : 16;
#pragma GCC unroll 16
    for (int64_t t = 0; t < kPaneTokens; ++t) {
      if (t < tokens_) S::store(to + t * stride, acc[t].of[0][0]);
    }
  }

  // Of what a row block's codes that will be unpacked next a tile asks for, some at each stretch.
  struct Ahead {
    const uint8_t *at, *end;
    int64_t portion;

    template <int Level>
    LOWBIT_INLINE void ask() {
      for (int64_t i = 0; i < portion && at < end; ++i, at += 64) __builtin_prefetch(at, 0, Level);
    }
  };
  Ahead ahead(int64_t tile, int64_t block) const {
    if (a_.ahead == nullptr) return {};
    const int64_t lines = (a_.ahead_bytes + 63) / 64, begin = lines * token(tile) / a_.tokens;
    const int64_t end = lines * token(tile + 1) / a_.tokens;
    const uint8_t* codes = a_.ahead + block * a_.ahead_step;
    return {codes + 64 * begin, codes + 64 * end, (end - begin) / a_.stretch.stretch_count + 1};
  }

  // A row block's share of the next tile's codes.
  Ahead tokens_ahead(int64_t tile, int64_t block) const {
    const int64_t lines = tokens_ * token_bytes() / 64, begin = lines * block / a_.blocks;
    const int64_t end = lines * (block + 1) / a_.blocks;
    const auto* codes = reinterpret_cast<const uint8_t*>(codes_of(tile + 1 < tiles_ ? tile + 1 : 0));
    return {codes + 64 * begin, codes + 64 * end, (end - begin) / a_.stretch.stretch_count + 1};
  }

  const PaneDotArgs a_;  // a copy: what is written could be the given one, for all that a compiler knows
  const int64_t tiles_, tokens_, first_;  // tiles, tokens of one, the first token
  const int64_t row_bytes_;
  const int64_t panes_, last_panes_;  // of a stretch
};

template <bool Signed, More Kind>
__attribute__((noinline)) void line(const PaneDotArgs& args, int64_t tile, int64_t end) {
  Line<Signed, Kind>(args, tile, end).run();
}

template <bool Signed, More Kind>
void lines(const PaneDotArgs& args) {
  // The first tiles have one token more than the others.
  const int64_t tiles = tiles_of(args.tokens, kPaneTokens), larger = args.tokens % tiles;
  simd::TileShape shape;
  for (int64_t tile = 0, end = larger; tile < tiles; tile = end, end = tiles) {
    if (tile == end) continue;
    shape.set(static_cast<int>(tile_at(args.tokens, tiles, tile).size), 1 << args.pane_shift);
    line<Signed, Kind>(args, tile, end);
  }
}

template <bool Signed>
void kinds(const PaneDotArgs& args) {
  const StretchArgs& g = args.stretch;
  if (g.offsets != nullptr) return lines<Signed, More::any>(args);
  g.minimums != nullptr ? lines<Signed, More::minima>(args) : lines<Signed, More::none>(args);
}

}  // namespace

void pane_dot(const PaneDotArgs& args) { args.signed_weights ? kinds<true>(args) : kinds<false>(args); }

}  // namespace lowbit::kernels::amx

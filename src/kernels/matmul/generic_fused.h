// Integer dot products of few tokens straight from packed codes: what reads weights once should not write them.
#pragma once

#include "kernels/matmul/generic_dot.h"
#include "kernels/matmul/generic_unpack.h"

namespace lowbit::kernels {

// Units whose products are summed in 16 bits: stretches of trits end with steps, others maybe with half of one.
template <int Bits>
constexpr int kWordRun = Bits == kTrits ? 8 : 4;

// Several chains for few tokens: sums of integers may be divided at will, and are where that costs less than to wait.
// Entries: where scales come from (generic_scales.h). Brief: no stretch is longer than a step.
template <class S, int Bits, CodeMap Map, int Tokens, bool Signed, DotSums Sums, class Entries, bool Brief>
struct FusedRow {
  static constexpr bool kWide = Sums == DotSums::two_planes, kWords = Sums == DotSums::words, kBrief = Brief;
  static constexpr int kMostChains = Brief && S::kFusedChains > 2 ? 2 : S::kFusedChains;
  static constexpr int kChains = kWide || kMostChains < Tokens ? 1 : kMostChains / Tokens;
  static constexpr int kRun = kWordRun<Bits>;
  // Whether registers hold no results of the row.
  static constexpr bool kFarResults = Tokens > 2 && (Bits == 7 || (Bits == 3 && Map == CodeMap::lookup16));
  const FusedArgs& g;
  typename S::Float acc[Tokens], inner[Tokens];  // of the row; of a span
  typename S::Int sum[Tokens][kChains];
  typename S::Int high[kWide ? Tokens : 1];
  typename S::Bytes words[kWords ? Tokens : 1];  // of kRun units
  const int8_t* a[Tokens];
  Entries entries;
  // Of units that share bytes: digits, and planes of 4, 2 and 1 bits.
  typename S::Trits trits;
  typename S::Bytes kept[3];

  LOWBIT_INLINE void begin(int64_t s) {
    for (int t = 0; t < Tokens; ++t) {
      sum[t][0] = S::int_broadcast(g.stretch.activations.starts[t * g.stretch.stretch_count + s]);
      for (int c = 1; c < kChains; ++c) sum[t][c] = S::int_zero();
      if constexpr (kWide) high[t] = S::int_zero();
    }
  }
  LOWBIT_INLINE void end(int64_t s) {
    const DotStretch& stretch = g.stretch.stretches[s];
    for (int t = 0; t < Tokens; ++t) {
      for (int c = 1; c < kChains; ++c) sum[t][0] = S::int_add(sum[t][0], sum[t][c]);
      if constexpr (kWide) sum[t][0] = S::int_add(sum[t][0], S::int_mul(high[t], S::int_broadcast(128)));
      typename S::Int whole[1][1] = {{sum[t][0]}};
      typename S::Float part[1][1] = {{inner[t]}};
      end_stretch<S, Entries::kMore, false>(g.stretch, stretch.weight_group, 0, entry(t, s), whole, part);
      inner[t] = part[0][0];
    }
    if (!stretch.ends_span) return;
    entries.move(g.stretch, 16 * int64_t{stretch.weight_group});
    if constexpr (Entries::kMore == More::any || !S::kEntriesInPlace) {
      end_tokens(entries, stretch.weight_group, s);
    } else {
      const int64_t at = 16 * int64_t{stretch.weight_group};
      end_tokens(KeptEntries<S, Entries::kMore>(entries, g.stretch, at), stretch.weight_group, s);
    }
  }
  LOWBIT_INLINE int64_t entry(int t, int64_t s) const { return t * g.stretch.stretch_count + s; }
  template <class Kept>
  LOWBIT_INLINE void end_tokens(const Kept& kept, int64_t group, int64_t s) {
    for (int t = 0; t < Tokens; ++t) {
      const typename S::Float part[1][1] = {{inner[t]}};
      float* far = g.stretch.results + 16 * t;
      typename S::Float next[1][1] = {{kFarResults ? S::load(far) : acc[t]}};
      end_span<S>(g.stretch, kept, group, 0, entry(t, s), part, next);
      if constexpr (kFarResults) S::store(far, next[0][0]);
      acc[t] = next[0][0];
      inner[t] = S::zero();
    }
  }
  LOWBIT_INLINE static typename S::Int dot(typename S::Int chain, typename S::Bytes w, const int8_t* x) {
    return Signed ? S::dot_signed(chain, w, S::bytes_broadcast4(x)) : S::dot(chain, w, S::bytes_broadcast4(x));
  }
  // Whether unit J begins a plane of Width bits, of a width where it is 0.
  template <int Width, int J>
  static constexpr bool begins() {
    if constexpr (Bits == kTrits) return J % 5 == 0;
    if constexpr (Bits == 8 || !S::kKeepsPlanes) return true;
    if constexpr (Width > 0) return (Bits & Width) != 0 && J % (8 / Width) == 0;
    return begins<4, J>() || begins<2, J>() || begins<1, J>();
  }
  // The part of unit J's code in the plane of Width bits, moved up by the bits of narrower ones.
  template <int Width, int J>
  LOWBIT_INLINE typename S::Bytes plane(const uint8_t* step) {
    constexpr int kWider = Bits & ~(2 * Width - 1), kUnits = 8 / Width;
    typename S::Bytes& vector = kept[Width / 2];
    if constexpr (begins<Width, J>()) {
      vector = S::bytes_load(step + 64 * (kWider + J / kUnits));
      // The upper bits of all codes at once.
      constexpr int kUpper = 0xff / ((1 << Width) - 1) << (Width - 1);
      if constexpr (Map == CodeMap::exclusive_or && kWider == 0)
        vector = S::bytes_xor(vector, g.flip != 0 ? kUpper : 0);
    }
    return S::template field<J % kUnits * Width, Width, Bits&(Width - 1)>(vector);
  }
  template <int J>
  LOWBIT_INLINE typename S::Bytes weights(const uint8_t* step) {
    if constexpr (Bits == kTrits) {
      if constexpr (begins<0, J>()) trits = S::trits_of(S::bytes_load(step + 64 * (J / 5)));
      return S::template digit<J % 5>(trits);
    } else if constexpr (Bits == 8 || !S::kKeepsPlanes) {
      return unit_weights<S, Bits, Map, J>(g, step);
    } else {
      typename S::Bytes code = S::bytes_zero();
      if constexpr ((Bits & 4) != 0) code = plane<4, J>(step);
      if constexpr ((Bits & 2) != 0) code = S::bytes_or(code, plane<2, J>(step));
      if constexpr ((Bits & 1) != 0) code = S::bytes_or(code, plane<1, J>(step));
      return Map == CodeMap::exclusive_or ? code : mapped<S, Bits, Map>(g, code);
    }
  }
  // Unit J of those at `step`: of the row the unit `units` + J % 8.
  template <int J>
  LOWBIT_INLINE void unit(const uint8_t* step, int64_t units) {
    // Unit by unit where registers are few.
    for (int t = 0; t < Tokens && begins<0, J>(); ++t) {
      if constexpr (kWords) {
        J % kRun == 0 ? S::after(step, sum[t][0]) : S::after(step, words[t]);
      } else {
        S::after(step, sum[t][0]);
        if constexpr (kWide) S::after(step, high[t]);
      }
    }
    ask_near<Bits, J>(g, step);
    const typename S::Bytes w = weights<J>(step);
    for (int t = 0; t < Tokens; ++t) {
      const int8_t* x = a[t] + 4 * (units + J % 8);
      if constexpr (kWords) {
        const typename S::Bytes before = J % kRun == 0 ? S::bytes_zero() : words[t];
        words[t] = S::add_words(before, w, S::bytes_broadcast4(x));
        if (J % kRun == kRun - 1) sum[t][0] = S::sum_words(sum[t][0], words[t]);
        continue;
      }
      typename S::Int& chain = sum[t][J % kChains];
      chain = dot(chain, w, x);
      if constexpr (kWide) high[t] = dot(high[t], w, x + g.plane);
    }
  }
  template <int First = 0>
  LOWBIT_INLINE void first_half(const uint8_t* step, int64_t units) {
    unit<First>(step, units);
    unit<First + 1>(step, units);
    unit<First + 2>(step, units);
    unit<First + 3>(step, units);
  }
  template <int First = 0>
  LOWBIT_INLINE void second_half(const uint8_t* step, int64_t units) {
    unit<First + 4>(step, units);
    unit<First + 5>(step, units);
    unit<First + 6>(step, units);
    unit<First + 7>(step, units);
  }
};

// Where a walk through the stretches of a row stands.
struct Walk {
  int64_t stretch, units;
};

// The step of units First to First + 7 of 40; gives whether the row ends with it.
template <int First, class Tile>
LOWBIT_INLINE static inline bool trit_step(const FusedArgs& g, Tile& tile, const uint8_t* packed, Walk& at) {
  tile.template first_half<First>(packed, at.units);
  tile.template second_half<First>(packed, at.units);
  at.units += 8;
  if (at.units < g.stretch.stretches[at.stretch].end_unit) return false;
  tile.end(at.stretch);
  if (++at.stretch == g.stretch.stretch_count) return true;
  tile.begin(at.stretch);
  return false;
}

// Stretches may end with any step.
template <class Tile>
LOWBIT_INLINE static inline void walk_trits(const FusedArgs& g, Tile& tile) {
  Walk at = {0, 0};
  tile.begin(0);
  for (const uint8_t* packed = g.packed;; packed += kTritBytes) {
    ask_far<kTritBytes>(g, packed);
    if (trit_step<0>(g, tile, packed, at) || trit_step<8>(g, tile, packed, at) ||
        trit_step<16>(g, tile, packed, at) || trit_step<24>(g, tile, packed, at) ||
        trit_step<32>(g, tile, packed, at)) {
      return;
    }
  }
}

template <int Bits, class Tile>
LOWBIT_INLINE static inline void walk_planes(const FusedArgs& g, Tile& tile) {
  constexpr int64_t kStep = 64 * Bits;
  const uint8_t* step = g.packed;
  int64_t units = 0;
  if (g.stretch_units == 4) {
    for (int64_t s = 0; s < g.stretch.stretch_count; s += 2, units += 8, step += kStep) {
      tile.begin(s);
      ask_far<kStep>(g, step);
      tile.first_half(step, units);
      tile.end(s);
      if (s + 1 == g.stretch.stretch_count) break;
      tile.begin(s + 1);
      tile.second_half(step, units);
      tile.end(s + 1);
    }
  } else {
    for (int64_t s = 0; s < g.stretch.stretch_count; ++s) {
      tile.begin(s);
      // The last stretch may end inside a step: activations beyond the row are 0.
      const int64_t end = Tile::kBrief ? units + 8 : g.stretch.stretches[s].end_unit;
      for (; units < end; units += 8, step += kStep) {
        ask_far<kStep>(g, step);
        tile.first_half(step, units);
        tile.second_half(step, units);
      }
      tile.end(s);
    }
  }
}

LOWBIT_INLINE static inline void next_block(FusedArgs& g) {
  g.packed += g.block_bytes;
  g.out += 16;
  next_block(g.stretch);
}

// All stretches of a row: tile.begin(), the halves of its steps, tile.end().
template <int Bits, class Tile>
LOWBIT_INLINE static inline void walk(const FusedArgs& g, Tile& tile) {
  if constexpr (Bits == kTrits) {
    walk_trits(g, tile);
  } else {
    walk_planes<Bits>(g, tile);
  }
}

template <class S, int Bits, CodeMap Map, int Tokens, bool Signed, DotSums Sums, class Entries, bool Brief>
static inline void fused_row(const FusedArgs& given) {
  FusedArgs g = given;
  for (int64_t b = 0; b < given.blocks; ++b) {
    FusedRow<S, Bits, Map, Tokens, Signed, Sums, Entries, Brief> row{g, {}, {}, {}, {}, {}, {}, {}, {}, {}};
    for (int t = 0; t < Tokens; ++t) {
      row.acc[t] = row.inner[t] = S::zero();
      if constexpr (row.kFarResults) S::store(g.stretch.results + 16 * t, S::zero());
      row.a[t] = g.codes + t * g.code_stride;
    }
    walk<Bits>(g, row);
    for (int t = 0; t < Tokens; ++t) {
      S::store(g.out + t * g.out_stride, row.kFarResults ? S::load(g.stretch.results + 16 * t) : row.acc[t]);
    }
    next_block(g);
  }
}

template <class S, int Bits, CodeMap Map, bool Signed, class Entries, bool Brief>
static inline void fused_tokens(const FusedArgs& g) {
  FusedArgs part = g;
  const auto advance = [&](int64_t tokens) {
    part.tokens -= tokens;
    part.codes += tokens * part.code_stride;
    part.out += tokens * part.out_stride;
    StretchSums& sums = part.stretch.activations;
    sums = sums.from(tokens * part.stretch.stretch_count);
  };
  if (g.plane != 0) {
    for (; part.tokens >= 1; advance(1))
      fused_row<S, Bits, Map, 1, Signed, DotSums::two_planes, Entries, Brief>(part);
    return;
  }
  if constexpr (S::kWordSums && !Signed && (Bits <= 5 || Bits == kTrits)) {
    if (g.word_units >= kWordRun<Bits>) {
      if constexpr (Map != CodeMap::lookup64) {  // which leaves no registers for two
        for (; part.tokens >= 2; advance(2)) fused_row<S, Bits, Map, 2, Signed, DotSums::words, Entries, Brief>(part);
      }
      for (; part.tokens >= 1; advance(1)) fused_row<S, Bits, Map, 1, Signed, DotSums::words, Entries, Brief>(part);
      return;
    }
  }
  constexpr bool kKeepsDigits = Bits == kTrits && S::kKeepsPlanes;  // which leave registers for two
  if constexpr (S::kFusedTile >= 4 && !kKeepsDigits) {
    for (; part.tokens >= 4; advance(4)) fused_row<S, Bits, Map, 4, Signed, DotSums::whole, Entries, Brief>(part);
  }
  for (; part.tokens >= 2; advance(2)) fused_row<S, Bits, Map, 2, Signed, DotSums::whole, Entries, Brief>(part);
  for (; part.tokens >= 1; advance(1)) fused_row<S, Bits, Map, 1, Signed, DotSums::whole, Entries, Brief>(part);
}

template <class S, int Bits, CodeMap Map, bool Signed, class Entries>
static inline void fused_lengths(const FusedArgs& g) {
  if constexpr (Bits != kTrits) {
    if (g.stretch_units <= 8) return fused_tokens<S, Bits, Map, Signed, Entries, true>(g);
  }
  fused_tokens<S, Bits, Map, Signed, Entries, false>(g);
}

template <class S, int Bits, CodeMap Map, bool Signed>
static inline void fused_entries(const FusedArgs& g) {
  const StretchArgs& s = g.stretch;
  const EntriesInPlace& in_place = s.in_place;
  if constexpr (S::kEntriesInPlace) {
    if (in_place.coded[0] != nullptr) return fused_lengths<S, Bits, Map, Signed, CodedEntries<S>>(g);
    if (in_place.half_minimums != nullptr) return fused_lengths<S, Bits, Map, Signed, HalfMinima<S>>(g);
    if (in_place.halves != nullptr && in_place.unit != 1.0f)
      return fused_lengths<S, Bits, Map, Signed, HalfEntries<S, true>>(g);
    if constexpr (bytes_in_place(Bits)) {
      if (in_place.bytes != nullptr) return fused_lengths<S, Bits, Map, Signed, ByteEntries<S>>(g);
    }
    if (in_place.halves != nullptr) return fused_lengths<S, Bits, Map, Signed, HalfEntries<S, false>>(g);
    if (s.offsets == nullptr) {
      return s.minimums == nullptr ? fused_lengths<S, Bits, Map, Signed, FloatEntries<S, More::none>>(g)
                                   : fused_lengths<S, Bits, Map, Signed, FloatEntries<S, More::minima>>(g);
    }
  }
  fused_tokens<S, Bits, Map, Signed, AnyEntries<S>, false>(g);
}

// Codes of Bits bits have one kind of table at most. Codes as they are that go beyond dot() have 8 bits.
template <class S, int Bits, bool Signed>
static inline void fused_map(const FusedArgs& g) {
  constexpr CodeMap kTable = Bits <= 4 ? CodeMap::lookup16 : CodeMap::lookup64;
  if constexpr (Bits <= 6) {
    if (g.map != CodeMap::exclusive_or) return fused_entries<S, Bits, kTable, Signed>(g);
  }
  if constexpr (S::kFlipsFields && Bits != kTrits) {
    if (g.flip != 0) return fused_entries<S, Bits, CodeMap::upper_flipped, Signed>(g);
    return fused_entries<S, Bits, CodeMap::as_it_is, Signed>(g);
  }
  if constexpr (!Signed || Bits == 8) fused_entries<S, Bits, CodeMap::exclusive_or, Signed>(g);
}

template <class S, bool Signed>
static inline void fused_bits(const FusedArgs& g) {
  using Fn = void (*)(const FusedArgs&);
  static constexpr Fn kBits[] = {fused_map<S, 1, Signed>, fused_map<S, 2, Signed>, fused_map<S, 3, Signed>,
                                 fused_map<S, 4, Signed>, fused_map<S, 5, Signed>, fused_map<S, 6, Signed>,
                                 fused_map<S, 7, Signed>, fused_map<S, 8, Signed>, fused_map<S, kTrits, Signed>};
  kBits[g.bits - 1](g);
}

template <class S>
static inline void fused(const FusedArgs& g) {
  if constexpr (S::kDotMax < 255) {
    if (g.signed_codes) return fused_bits<S, true>(g);
  }
  fused_bits<S, false>(g);
}

}  // namespace lowbit::kernels

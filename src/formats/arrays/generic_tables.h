// Elements that are lists of values; rules as for generic_numbers.h.
#pragma once

#include "formats/arrays/generic_chance.h"

namespace lowbit::formats {

// As signed integers in the order of the floats.
template <class S>
static inline typename Vectors<S::kLanes>::I key_of(typename Vectors<S::kLanes>::U u) {
  using U = typename Vectors<S::kLanes>::U;
  using I = typename Vectors<S::kLanes>::I;
  return (I)(u ^ ((U)((I)u >> 31) >> 1));
}

template <class S>
static inline typename Vectors<S::kLanes>::U look_up(const Lookup& p, typename Vectors<S::kLanes>::U u) {
  using U = typename Vectors<S::kLanes>::U;
  using I = typename Vectors<S::kLanes>::I;
  const auto edge = [&](U at) { return (I)S::gather(reinterpret_cast<const uint32_t*>(p.edges), at); };
  const I key = key_of<S>(u);
  if (p.shift != 0) {
    const U bin = (U)(key >> p.shift) + (0x80000000u >> p.shift);
    return S::gather(p.results, 2 * bin + ((U)(key >= edge(bin)) & 1u));
  }
  U below = u * 0u;
  for (int step = p.steps - 1; step >= 0; --step) {
    const uint32_t half = uint32_t{1} << step;
    below += (U)(key >= edge(below + (half - 1))) & half;
  }
  return S::gather(p.results, below);
}

// A search of Steps steps whose tables are in registers.
template <class S, int Steps, class Out>
static inline void short_cast(const Lookup& p, const float* in, Out* out, int64_t count) {
  constexpr int N = S::kLanes;
  using U = typename Vectors<N>::U;
  using I = typename Vectors<N>::I;
  const auto edges = S::short_table(p.short_edges), results = S::short_table(p.short_results);
  for_vectors<N>(in, out, count, [&](const float* from, Out* to, int64_t) {
    const I key = key_of<S>(load_vector<U>(from));
    U below = {};
#pragma GCC unroll 8
    for (uint32_t half = 1u << (Steps - 1); half > 0; half /= 2) {
      below += (U)(key >= (I)S::template pick<Steps>(edges, below + (half - 1))) & half;
    }
    store_result<N>(to, S::template pick<Steps>(results, below));
  });
}

template <class S, class Out>
static inline void table_cast(const TableCast& given, const float* in, Out* out, int64_t count) {
  constexpr int N = S::kLanes;
  using U = typename Vectors<N>::U;
  const Lookup p = sizeof(Out) < 4 ? given.codes : given.values;
  if constexpr (S::kShortTables) {
    if (p.short_edges != nullptr) {
      if (p.short_steps <= 3) return short_cast<S, 3>(p, in, out, count);
      return p.short_steps == 4 ? short_cast<S, 4>(p, in, out, count) : short_cast<S, 5>(p, in, out, count);
    }
  }
  for_vectors<N>(in, out, count, [&](const float* from, Out* to, int64_t) {
    store_result<N>(to, look_up<S>(p, load_vector<U>(from)));
  });
}

// Between two neighbours by chance.
template <class S, class Out>
static inline void neighbour_cast(const NeighbourCast& given, const float* in, Out* out, int64_t count,
                                  uint64_t first) {
  constexpr int N = S::kLanes;
  using U = typename Vectors<N>::U;
  using F = typename Vectors<N>::F;
  using H = Halves<N>;
  using D = typename H::D;
  using L = typename H::L;
  const NeighbourCast p = given;
  const uint32_t* results = sizeof(Out) < 4 ? p.codes : reinterpret_cast<const uint32_t*>(p.values);
  const RandomKeys keys = random_keys(p.chance.seed);
  uint32_t words[64];
  for_vectors<N>(in, out, count, [&](const float* from, Out* to, int64_t i) {
    if (i % 64 == 0) random_words<N>(keys, first + static_cast<uint64_t>(i), words);
    const U random = load_vector<U>(words + i % 64);
    const F x = load_vector<F>(from);
    const U below = look_up<S>(p.below, (U)x);
    typename H::I up[2];
    for (int k = 0; k < 2; ++k) {
      const D v = __builtin_convertvector(half_of<typename H::F>(x, k), D);
      const typename H::U at = half_of<typename H::U>(below, k);
      const D low = S::gather_doubles(p.bounds, at), high = S::gather_doubles(p.bounds, at + 1u);
      const L negative = (L)v < 0;
      const D distance = negative ? high - v : v - low;
      const L away = goes_away<N>(p.chance, p.quotient, distance, high - low, half_of<typename H::U>(random, k));
      up[k] = __builtin_convertvector((away ^ negative) & (L)(v > low), typename H::I);
    }
    store_result<N>(to, S::gather(results, below - whole_of<U>(up[0], up[1])));
  });
}

}  // namespace lowbit::formats

// Elements that are lists of values; rules as for generic_numbers.h.
#pragma once

#include "formats/arrays/generic_chance.h"

namespace lowbit::formats {

template <class S>
static inline typename Vectors<S::kLanes>::U look_up(const Lookup& p, typename Vectors<S::kLanes>::U u) {
  using U = typename Vectors<S::kLanes>::U;
  using I = typename Vectors<S::kLanes>::I;
  const auto edge = [&](U at) { return (I)S::gather(reinterpret_cast<const uint32_t*>(p.edges), at); };
  // The key: as signed integers in the order of the floats.
  const I key = (I)(u ^ ((U)((I)u >> 31) >> 1));
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

template <class S, class Out>
static inline void table_cast(const TableCast& given, const float* in, Out* out, int64_t count) {
  constexpr int N = S::kLanes;
  using U = typename Vectors<N>::U;
  const Lookup p = sizeof(Out) < 4 ? given.codes : given.values;
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

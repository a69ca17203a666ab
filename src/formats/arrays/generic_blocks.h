// Block kernels over vectors of S::kLanes numbers; rules as for generic_numbers.h.
#pragma once

#include "formats/arrays/generic_numbers.h"

namespace lowbit::formats {

// The greatest magnitudes of 16 blocks of whole vectors. S::greatest gives those of 16 vectors.
template <class S>
static inline void amax_of_16(const float* in, int64_t group, uint32_t* out) {
  constexpr int N = S::kLanes;
  using U = typename Vectors<N>::U;
  U most[16];
  for (int b = 0; b < 16; ++b) {
    const float* x = in + b * group;
    U m = load_vector<U>(x) & 0x7FFFFFFFu;
    for (int64_t i = N; i < group; i += N) {
      const U a = load_vector<U>(x + i) & 0x7FFFFFFFu;
      m = a > m ? a : m;
    }
    most[b] = m;
  }
  S::greatest(most, out);
}

// The greatest magnitude of each block, as bits: from 0x7F800000 on there is an infinity or a NaN in it.
template <class S>
static inline void block_amax(const float* in, int64_t group, int64_t blocks, uint32_t* out) {
  constexpr int N = S::kLanes;
  using U = typename Vectors<N>::U;
  int64_t b = 0;
  if (group % N == 0) {
    for (; b + 16 <= blocks; b += 16) amax_of_16<S>(in + b * group, group, out + b);
  }
  for (; b < blocks; ++b) {
    const float* x = in + b * group;
    U most = {};
    int64_t i = 0;
    for (; i + N <= group; i += N) {
      const U a = load_vector<U>(x + i) & 0x7FFFFFFFu;
      most = a > most ? a : most;
    }
    uint32_t best = 0;
    for (int k = 0; k < N; ++k) best = most[k] > best ? most[k] : best;
    for (; i < group; ++i) {
      const uint32_t a = bits_of(x[i]) & 0x7FFFFFFFu;
      best = a > best ? a : best;
    }
    out[b] = best;
  }
}

// x / s, rounded to odd: what is rounded to fewer bits next comes out as from the exact quotient. inverse: 1 / s, rounded.
// Where neither quotient nor remainders are subnormal, or the quotient too small to matter.
template <class S>
static inline typename Vectors<S::kLanes>::F odd_quotient(typename Vectors<S::kLanes>::F x,
                                                          typename Vectors<S::kLanes>::F s,
                                                          typename Vectors<S::kLanes>::F inverse) {
  using U = typename Vectors<S::kLanes>::U;
  using I = typename Vectors<S::kLanes>::I;
  using F = typename Vectors<S::kLanes>::F;
  // Within two units of the last place; a step of Newton's makes it one of the two neighbours of the quotient.
  const F guess = x * inverse;
  const F q = S::fma(S::negated_fma(guess, s, x), inverse, guess);
  const F rest = S::negated_fma(q, s, x);  // x - q s, exact
  const I inexact = (I)(rest != 0.0f);
  // The quotient lies beyond the exact one where the rest points back (s is positive).
  const I beyond = inexact & (I)(((U)rest ^ (U)q) > 0x7FFFFFFFu);
  return (F)(((U)q + (U)beyond) | ((U)inexact & 1u) | ((U)x & 0x80000000u));
}

// Blocks of finite numbers with a scale each; scales that are powers of two are multiplied by their inverse. Codes, or
// values times the scale.
template <class S, bool kPowerOfTwo, bool kSignedZero, class Out>
static inline void scaled_loop(const MagicCast& p, const float* in, int64_t group, int64_t blocks, const float* scales,
                               Out* out) {
  constexpr int N = S::kLanes;
  constexpr bool kCodes = sizeof(Out) < 4;
  using F = typename Vectors<N>::F;
  float inverses[N];
  for (int64_t b = 0; b < blocks; ++b) {
    if (b % N == 0) {
      float some[N];
      for (int i = 0; i < N; ++i) some[i] = b + i < blocks ? scales[b + i] : 1.0f;
      store_vector(inverses, 1.0f / load_vector<F>(some));
    }
    const F zero = {};
    const F scale = zero + scales[b];
    const F inverse = zero + inverses[b % N];
    for_vectors<N>(in + b * group, out + b * group, group, [&](const float* from, Out* to, int64_t) {
      const F x = load_vector<F>(from);
      const F q = kPowerOfTwo ? x * inverse : odd_quotient<S>(x, scale, inverse);
      const auto got = number_result<S, kCodes, false, true, kSignedZero>(p, q);
      if constexpr (kCodes) {
        store_result<N>(to, got);
      } else {
        store_vector(to, (F)got * scale);
      }
    });
  }
}

template <class S, class Out>
static inline void scaled_cast(const MagicCast& given, bool power_of_two, const float* in, int64_t group,
                               int64_t blocks, const float* scales, Out* out) {
  const MagicCast p = given;
  if (power_of_two) {
    if (p.signed_zero) return scaled_loop<S, true, true>(p, in, group, blocks, scales, out);
    return scaled_loop<S, true, false>(p, in, group, blocks, scales, out);
  }
  if (p.signed_zero) return scaled_loop<S, false, true>(p, in, group, blocks, scales, out);
  scaled_loop<S, false, false>(p, in, group, blocks, scales, out);
}

// out = in / divisor, rounded to odd.
template <class S>
static inline void odd_quotients(const float* in, float divisor, float* out, int64_t count) {
  constexpr int N = S::kLanes;
  using F = typename Vectors<N>::F;
  for_vectors<N>(in, out, count, [&](const float* from, float* to, int64_t) {
    const F s = F{} + divisor;
    store_vector(to, odd_quotient<S>(load_vector<F>(from), s, 1.0f / s));
  });
}

template <class S>
static constexpr BlockKernels make_block_kernels() {
  BlockKernels k = {};
  k.amax = [](const float* in, int64_t group, int64_t n, uint32_t* out) { block_amax<S>(in, group, n, out); };
  k.codes8 = [](const MagicCast& p, bool power, const float* in, int64_t group, int64_t n, const float* scales,
                uint8_t* out) { scaled_cast<S>(p, power, in, group, n, scales, out); };
  k.cast = [](const MagicCast& p, bool power, const float* in, int64_t group, int64_t n, const float* scales,
              float* out) { scaled_cast<S>(p, power, in, group, n, scales, out); };
  k.quotients = [](const float* in, float d, float* out, int64_t n) { odd_quotients<S>(in, d, out, n); };
  return k;
}

template <class S>
static constexpr ArrayKernels make_all_kernels() {
  ArrayKernels k = make_kernels<S>();
  k.blocks = make_block_kernels<S>();
  return k;
}

}  // namespace lowbit::formats

// Block kernels over vectors of S::kLanes numbers; rules as for generic_numbers.h.
#pragma once

#include "formats/arrays/generic_numbers.h"

namespace lowbit::formats {

// The greatest magnitudes of 16 blocks of whole vectors; kVectors: how many, 0 for any. S::greatest gives those of 16
// vectors.
template <class S, int kVectors>
static inline void amax_of_16(const float* in, int64_t group, uint32_t* out) {
  constexpr int N = S::kLanes;
  using U = typename Vectors<N>::U;
  if (kVectors != 0) group = kVectors * N;
  U most[16];
#pragma GCC unroll 16
  for (int b = 0; b < 16; ++b) {
    const float* x = in + b * group;
    U m = load_vector<U>(x) & 0x7FFFFFFFu;
    ask_ahead(x);
    for (int64_t i = N; i < group; i += N) {
      ask_ahead(x + i);
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
    const auto of_16 = group == N ? amax_of_16<S, 1> : group == 2 * N ? amax_of_16<S, 2> : amax_of_16<S, 0>;
    for (; b + 16 <= blocks; b += 16) of_16(in + b * group, group, out + b);
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

// |x / s|, rounded to odd: what is rounded to fewer bits next comes out as from the exact quotient. inverse: 1 / s,
// rounded; s is positive. Where neither quotient nor remainders are subnormal, or the quotient too small to matter.
template <class S>
static inline typename Vectors<S::kLanes>::F odd_quotient(typename Vectors<S::kLanes>::F x,
                                                          typename Vectors<S::kLanes>::F s,
                                                          typename Vectors<S::kLanes>::F inverse) {
  using U = typename Vectors<S::kLanes>::U;
  using I = typename Vectors<S::kLanes>::I;
  using F = typename Vectors<S::kLanes>::F;
  const F a = (F)((U)x & 0x7FFFFFFFu);
  // Within two units of the last place; a step of Newton's makes it one of the two neighbours of the quotient.
  const F guess = a * inverse;
  const F q = S::fma(S::negated_fma(guess, s, a), inverse, guess);
  const F rest = S::negated_fma(q, s, a);  // a - q s, exact; negative where q is the upper neighbour
  const U below = (U)q + (U)((I)rest >> 31);
  return (F)((I)(rest != 0.0f) ? below | 1u : below);
}

// How blocks round their quotients: to the codes or values of floats, and of fixed point.
template <bool kSigned>
struct NearestFloat {
  MagicCast plan;
  template <class S, class Out>
  typename Vectors<S::kLanes>::U result(typename Vectors<S::kLanes>::F q,
                                        typename Vectors<S::kLanes>::U signs) const {
    return clamped_result<S, sizeof(Out) < 4, false, kSigned>(plan, q, signs);
  }
};
struct NearestFixed {
  FixedCast plan;
  template <class S, class Out>
  typename Vectors<S::kLanes>::U result(typename Vectors<S::kLanes>::F q,
                                        typename Vectors<S::kLanes>::U signs) const {
    using F = typename Vectors<S::kLanes>::F;
    using U = typename Vectors<S::kLanes>::U;
    return fixed_result<S::kLanes, Out>(plan, (F)((U)q | (signs & 0x80000000u)));
  }
};

// One block of finite numbers. Scales that are powers of two are multiplied by their inverse. Codes, or values times
// the scale.
template <class S, bool kPowerOfTwo, class Round, class Out>
static inline void scaled_block(const Round& round, const float* in, int64_t group, float scale, float inverse,
                                Out* out) {
  constexpr int N = S::kLanes;
  using U = typename Vectors<N>::U;
  using F = typename Vectors<N>::F;
  const F s = broadcast<N>(scale), i = broadcast<N>(inverse);
  const auto body = [&](const float* from, Out* to, int64_t) __attribute__((always_inline)) {
    const F x = load_vector<F>(from);
    const F q = kPowerOfTwo ? x * i : odd_quotient<S>(x, s, i);
    const U got = round.template result<S, Out>(q, (U)x);
    if constexpr (sizeof(Out) < 4) {
      store_result<N>(to, got);
    } else {
      store_vector(to, (F)got * s);
    }
  };
  if (group % N == 0) {
    for (int64_t k = 0; k < group; k += N) body(in + k, out + k, k);
  } else {
    for_vectors<N>(in, out, group, body);
  }
}

template <class S, bool kPowerOfTwo, class Round, class Out>
static inline void scaled_blocks(const Round& given, const float* in, int64_t group, int64_t blocks,
                                 const float* scales, Out* out) {
  using F = typename Vectors<S::kLanes>::F;
  constexpr int64_t kAtOnce = 64;
  const Round round = given;
  float inverses[kAtOnce];
  for (int64_t begin = 0; begin < blocks; begin += kAtOnce) {
    const int64_t count = blocks - begin < kAtOnce ? blocks - begin : kAtOnce;
    for_vectors<S::kLanes>(scales + begin, inverses, count, [](const float* from, float* to, int64_t) {
      store_vector(to, 1.0f / load_vector<F>(from));
    });
    for (int64_t b = begin; b < begin + count; ++b) {
      scaled_block<S, kPowerOfTwo>(round, in + b * group, group, scales[b], inverses[b - begin], out + b * group);
    }
  }
}

template <class S, class Round, class Out>
static inline void scaled_cast(const Round& round, bool power_of_two, const float* in, int64_t group, int64_t blocks,
                               const float* scales, Out* out) {
  if (power_of_two) return scaled_blocks<S, true>(round, in, group, blocks, scales, out);
  scaled_blocks<S, false>(round, in, group, blocks, scales, out);
}

template <class S, class Out>
static inline void scaled_cast(const BlockRounding& round, bool power_of_two, const float* in, int64_t group,
                               int64_t blocks, const float* scales, Out* out) {
  if (round.fixed) {
    scaled_cast<S>(NearestFixed{round.to_fixed}, power_of_two, in, group, blocks, scales, out);
  } else if (round.to_float.signed_zero) {
    scaled_cast<S>(NearestFloat<true>{round.to_float}, power_of_two, in, group, blocks, scales, out);
  } else {
    scaled_cast<S>(NearestFloat<false>{round.to_float}, power_of_two, in, group, blocks, scales, out);
  }
}

// out = in / divisor, rounded to odd; none is negative.
template <class S>
static inline void odd_quotients(const float* in, float divisor, float* out, int64_t count) {
  constexpr int N = S::kLanes;
  using F = typename Vectors<N>::F;
  for_vectors<N>(in, out, count, [&](const float* from, float* to, int64_t) {
    const F s = broadcast<N>(divisor);
    store_vector(to, odd_quotient<S>(load_vector<F>(from), s, 1.0f / s));
  });
}

template <class S>
static constexpr BlockKernels make_block_kernels() {
  BlockKernels k = {};
  k.amax = [](const float* in, int64_t group, int64_t n, uint32_t* out) { block_amax<S>(in, group, n, out); };
  k.codes8 = [](const BlockRounding& r, bool power, const float* in, int64_t group, int64_t n, const float* scales,
                uint8_t* out) { scaled_cast<S>(r, power, in, group, n, scales, out); };
  k.cast = [](const BlockRounding& r, bool power, const float* in, int64_t group, int64_t n, const float* scales,
              float* out) { scaled_cast<S>(r, power, in, group, n, scales, out); };
  k.quotients = [](const float* in, float d, float* out, int64_t n) { odd_quotients<S>(in, d, out, n); };
  return k;
}

}  // namespace lowbit::formats

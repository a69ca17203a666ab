// Rounding to nearest even by the processor's own rule: adding the power of two whose last bit is the quantum of x
// rounds it. Rules as for generic_numbers.h.
//
// S::limited(x, most): the sign of x with the lesser of |x| and most, and most for NaN; S::limited_magnitude: the
// same without the sign.
#pragma once

#include "formats/arrays/generic_vectors.h"

namespace lowbit::formats {

// What those two do, where an instruction set has nothing better.
template <int N>
static inline typename Vectors<N>::F limited_magnitude(typename Vectors<N>::F x, float most) {
  using U = typename Vectors<N>::U;
  using F = typename Vectors<N>::F;
  const F a = (F)((U)x & 0x7FFFFFFFu);
  const F bound = (F)((U)x * 0u + bits_of(most));
  return a < bound ? a : bound;
}
template <int N>
static inline typename Vectors<N>::F limited(typename Vectors<N>::F x, float most) {
  using U = typename Vectors<N>::U;
  return (typename Vectors<N>::F)((U)limited_magnitude<N>(x, most) | ((U)x & 0x80000000u));
}

template <int N>
static inline typename Vectors<N>::U at_least(typename Vectors<N>::U a, uint32_t b) {
  const typename Vectors<N>::U least = a * 0u + b;
  return a > least ? a : least;
}

// The value of x as bits, clamped, with the sign bits of `signs`, which x has too or is not negative; anything for
// NaN.
template <class S, bool kSameExponents>
static inline typename Vectors<S::kLanes>::U nearest_value(const MagicCast& p, typename Vectors<S::kLanes>::F x,
                                                           typename Vectors<S::kLanes>::U signs) {
  constexpr int N = S::kLanes;
  using U = typename Vectors<N>::U;
  using F = typename Vectors<N>::F;
  const F c = S::limited(x, p.most);
  if constexpr (kSameExponents) {
    const U rounded = (U)c + (((U)c >> p.drop) & 1u) + ((uint32_t{1} << (p.drop - 1)) - 1);
    return rounded & ~((uint32_t{1} << p.drop) - 1);
  }
  // One and a half times that power of two does for numbers of both signs.
  const F magic = (F)(at_least<N>((U)c & 0x7F800000u, p.least_exponent) + (p.gap | 0x400000u));
  return (U)((c + magic) - magic) | (signs & 0x80000000u);
}

// Its code in the lowest 16 bits.
template <class S, bool kSameExponents>
static inline typename Vectors<S::kLanes>::U nearest_code(const MagicCast& p, typename Vectors<S::kLanes>::F x,
                                                          typename Vectors<S::kLanes>::U signs) {
  constexpr int N = S::kLanes;
  using U = typename Vectors<N>::U;
  using F = typename Vectors<N>::F;
  if constexpr (kSameExponents) {
    const U c = (U)S::limited(x, p.most);
    return (c + ((c >> p.drop) & 1u) + ((uint32_t{1} << (p.drop - 1)) - 1)) >> p.drop;
  }
  const F a = S::limited_magnitude(x, p.most);
  const U exponent = at_least<N>((U)a & 0x7F800000u, p.least_exponent);
  // The last bits of the sum count quanta, beginning at code_offset; each binade above the subnormals has as many
  // codes as quanta, which the exponent adds.
  const U sum = (U)(a + (F)(exponent + (p.gap + p.code_offset)));
  return (sum + (exponent >> p.drop)) | ((signs >> p.sign_shift) & p.sign_code);
}

// What is the same of codes and values: where a result is replaced by p.specials.
template <bool kCodes, int N>
static inline typename Vectors<N>::U pick_special(typename Vectors<N>::U zero, typename Vectors<N>::I negative,
                                                  const uint32_t (&codes)[2], const float (&values)[2]) {
  if constexpr (kCodes) return negative ? zero + codes[1] : zero + codes[0];
  return negative ? zero + bits_of(values[1]) : zero + bits_of(values[0]);
}

// kSignedZero: there is a -0.
template <class S, bool kCodes, bool kSameExponents, bool kSignedZero>
static inline typename Vectors<S::kLanes>::U clamped_result(const MagicCast& p, typename Vectors<S::kLanes>::F x,
                                                            typename Vectors<S::kLanes>::U signs) {
  using U = typename Vectors<S::kLanes>::U;
  using I = typename Vectors<S::kLanes>::I;
  U out = kCodes ? nearest_code<S, kSameExponents>(p, x, signs) : nearest_value<S, kSameExponents>(p, x, signs);
  if constexpr (!kSignedZero) out = (I)(out << (kCodes ? p.sign_shift + 1 : 1) == 0u) ? out * 0u : out;
  return out;
}

// Of a number that is no NaN.
// kPlain: what lies beyond the range, infinities too, is the largest finite value.
template <class S, bool kCodes, bool kSameExponents, bool kPlain, bool kSignedZero>
static inline typename Vectors<S::kLanes>::U number_result(const MagicCast& p, typename Vectors<S::kLanes>::F x) {
  constexpr int N = S::kLanes;
  using U = typename Vectors<N>::U;
  using I = typename Vectors<N>::I;
  using F = typename Vectors<N>::F;
  const U zero = (U)x * 0u;
  const Specials& s = p.specials;
  U out = clamped_result<S, kCodes, kSameExponents, kSignedZero>(p, x, (U)x);
  if constexpr (!kPlain) {
    const I negative = (I)((U)x > 0x7FFFFFFFu);
    const F a = (F)((U)x & 0x7FFFFFFFu);
    out = (I)(a >= p.beyond_from) ? pick_special<kCodes, N>(zero, negative, s.beyond, s.beyond_value) : out;
    out = (I)((U)a == 0x7F800000u) ? pick_special<kCodes, N>(zero, negative, s.infinite, s.infinite_value) : out;
  }
  return out;
}

template <class S, bool kSameExponents, bool kPlain, bool kSignedZero, class Out>
static inline void magic_loop(const MagicCast& p, const float* in, Out* out, int64_t count) {
  constexpr int N = S::kLanes;
  constexpr bool kCodes = sizeof(Out) < 4;
  for_vectors<N>(in, out, count, [&](const float* x, Out* y, int64_t) {
    const auto v = load_vector<typename Vectors<N>::F>(x);
    const auto r = number_result<S, kCodes, kSameExponents, kPlain, kSignedZero>(p, v);
    store_result<N>(y, v != v ? r * 0u + (kCodes ? p.specials.nan : bits_of(p.specials.nan_value)) : r);
  });
}

template <class S, bool kSameExponents, class Out>
static inline void magic_loops(const MagicCast& p, const float* in, Out* out, int64_t count) {
  if (p.plain && p.signed_zero) return magic_loop<S, kSameExponents, true, true>(p, in, out, count);
  if (p.plain) return magic_loop<S, kSameExponents, true, false>(p, in, out, count);
  if (p.signed_zero) return magic_loop<S, kSameExponents, false, true>(p, in, out, count);
  magic_loop<S, kSameExponents, false, false>(p, in, out, count);
}

template <class S, class Out>
static inline void magic_cast(const MagicCast& given, const float* in, Out* out, int64_t count) {
  const MagicCast p = given;  // a copy stays in registers
  p.same_exponents ? magic_loops<S, true>(p, in, out, count) : magic_loops<S, false>(p, in, out, count);
}

// The bits of the code, and the value, of x.
template <int N, class Out>
static inline typename Vectors<N>::U fixed_result(const FixedCast& p, typename Vectors<N>::F x) {
  using U = typename Vectors<N>::U;
  using F = typename Vectors<N>::F;
  const F zero = (F)((U)x * 0u);
  F r = x == x ? x * p.scale : zero;
  r = r > p.low ? r : zero + p.low;
  r = r < p.high ? r : zero + p.high;
  // 1.5 * 2^23: the sum's last bit is 1, and its lowest bits are those of the integer in two's complement.
  r += 0x1.8p23f;
  if constexpr (sizeof(Out) < 4) return (U)r & p.code_mask;
  return (U)((r - 0x1.8p23f) * p.quantum);
}

template <int N, class Out>
static inline void fixed_cast(const FixedCast& given, const float* in, Out* out, int64_t count) {
  using F = typename Vectors<N>::F;
  const FixedCast p = given;
  for_vectors<N>(in, out, count, [&](const float* from, Out* to, int64_t) {
    store_result<N>(to, fixed_result<N, Out>(p, load_vector<F>(from)));
  });
}

}  // namespace lowbit::formats

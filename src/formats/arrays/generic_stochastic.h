// Stochastic rounding onto floats by one addition: the random bits are added to those that are dropped, and the carry
// is the rounding. Rules as for generic_numbers.h.
#pragma once

#include "formats/arrays/generic_numbers.h"

namespace lowbit::formats {

// The first 32 bits of a fraction (at least 0, below 1) of 24 significant bits, where an instruction set has nothing
// better: the upper half of the numbers, which signed integers lack, has no bits at the end.
template <int N>
static inline typename Vectors<N>::U first_bits(typename Vectors<N>::F part) {
  using U = typename Vectors<N>::U;
  using I = typename Vectors<N>::I;
  using F = typename Vectors<N>::F;
  const U upper = (U)(part >= 0.5f);
  const F rest = part - (F)(upper & bits_of(0.5f));
  return (U)__builtin_convertvector(rest * 0x1p32f, I) + (upper & 0x80000000u);
}

// The magnitude, as bits of its value or as a code, of the magnitude a, which is at most the largest finite one where
// that is the end of the range. random: bits from the top of the word; a carry out of what is dropped, or out of the
// first 32 bits of the fraction of the least step, goes away from zero. (What has no place in either is too little to
// make a carry: below the last random bit, or below the last bit of the number.)
template <class S, bool kCodes, bool kSameExponents>
static inline typename Vectors<S::kLanes>::U carried_magnitude(const CarryCast& p, typename Vectors<S::kLanes>::U a,
                                                               typename Vectors<S::kLanes>::U random) {
  constexpr int N = S::kLanes;
  using U = typename Vectors<N>::U;
  using I = typename Vectors<N>::I;
  using F = typename Vectors<N>::F;
  const U sum = a + (random >> p.spare);
  const U normal = kCodes ? (sum >> p.drop) - p.code_offset : sum & p.kept;
  if constexpr (kSameExponents) return normal;
  // Below the least normal number, in steps.
  const F steps = (F)a * p.inverse_quantum;
  const I whole = S::truncated(steps);
  const F lower = __builtin_convertvector(whole, F);
  const U part = S::first_bits(steps - lower);
  const I carry = (I)(part + random < random);
  U subnormal;
  if constexpr (kCodes) {
    subnormal = (U)(whole - carry);
  } else {
    const F upper = lower + 1.0f;
    subnormal = (U)((carry ? upper : lower) * p.quantum);
  }
  return (I)a < (I)(a * 0u + p.least_normal) ? subnormal : normal;
}

// kPlain: what lies beyond the range, infinities too, is the largest finite value.
template <class S, bool kCodes, bool kSameExponents, bool kPlain, bool kSignedZero>
static inline typename Vectors<S::kLanes>::U carried_result(const CarryCast& p, typename Vectors<S::kLanes>::U x,
                                                            typename Vectors<S::kLanes>::U word) {
  constexpr int N = S::kLanes;
  using U = typename Vectors<N>::U;
  using I = typename Vectors<N>::I;
  const U zero = x * 0u;
  const Specials& s = p.specials;
  const U random = (word << p.unused) | p.half;
  const U a = x & 0x7FFFFFFFu;
  // Patterns of magnitudes are positive as signed integers too, those of NaN above the others.
  const I bound = (I)(zero + (kPlain ? p.most : 0x7F800000u));
  const U c = (U)((I)a < bound ? (I)a : bound);
  const U magnitude = carried_magnitude<S, kCodes, kSameExponents>(p, c, random);
  U out = magnitude | (kCodes ? (x >> p.sign_shift) & p.sign_code : x & 0x80000000u);
  if constexpr (!kSignedZero) out = (I)(magnitude == 0u) ? zero : out;
  if constexpr (!kPlain) {
    const I negative = (I)x < 0;
    const I beyond = (I)(magnitude > zero + (kCodes ? p.most_code : p.most));
    out = beyond ? pick_special<kCodes, N>(zero, negative, s.beyond, s.beyond_value) : out;
    out = (I)(a == 0x7F800000u) ? pick_special<kCodes, N>(zero, negative, s.infinite, s.infinite_value) : out;
  }
  return (I)a > 0x7F800000 ? zero + (kCodes ? s.nan : bits_of(s.nan_value)) : out;
}

template <class S, bool kSameExponents, bool kPlain, bool kSignedZero, class Out>
static inline void carry_loop(const CarryCast& p, const float* in, Out* out, int64_t count, uint64_t first) {
  constexpr int N = S::kLanes;
  using U = typename Vectors<N>::U;
  const RandomKeys keys = random_keys(p.seed);
  const auto body = [&](const float* from, Out* to, U word) __attribute__((always_inline)) {
    store_result<N>(to, carried_result<S, sizeof(Out) < 4, kSameExponents, kPlain, kSignedZero>(
                            p, load_vector<U>(from), word));
  };
  uint32_t words[64];
  int64_t i = 0;
  for (; i + 64 <= count; i += 64) {
    random_words<N>(keys, first + static_cast<uint64_t>(i), words);
#pragma GCC unroll 4
    for (int k = 0; k < 64; k += N) body(in + i + k, out + i + k, load_vector<U>(words + k));
  }
  if (i == count) return;
  random_words<N>(keys, first + static_cast<uint64_t>(i), words);
  for_vectors<N>(in + i, out + i, count - i,
                 [&](const float* from, Out* to, int64_t k) { body(from, to, load_vector<U>(words + k)); });
}

template <class S, bool kSameExponents, class Out>
static inline void carry_loops(const CarryCast& p, const float* in, Out* out, int64_t count, uint64_t first) {
  if (p.plain && p.signed_zero) return carry_loop<S, kSameExponents, true, true>(p, in, out, count, first);
  if (p.signed_zero) return carry_loop<S, kSameExponents, false, true>(p, in, out, count, first);
  // A rare kind: one loop for both.
  carry_loop<S, kSameExponents, false, false>(p, in, out, count, first);
}

template <class S, class Out>
static inline void carry_cast(const CarryCast& given, const float* in, Out* out, int64_t count, uint64_t first) {
  const CarryCast p = given;  // a copy stays in registers
  p.same_exponents ? carry_loops<S, true>(p, in, out, count, first) : carry_loops<S, false>(p, in, out, count, first);
}

}  // namespace lowbit::formats

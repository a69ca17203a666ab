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
  return (U) __builtin_convertvector(rest * 0x1p32f, I) + (upper & 0x80000000u);
}

// a + b cut to 24 bits, for 0 <= a < b and b a power of two, where an instruction set has nothing better. (The
// difference is exact, as sum is at most 2 b.)
template <int N>
static inline typename Vectors<N>::F sum_toward_zero(typename Vectors<N>::F a, typename Vectors<N>::F b) {
  using U = typename Vectors<N>::U;
  using F = typename Vectors<N>::F;
  const F sum = a + b;
  return (F)((U)sum + (U)(sum - b > a));
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

// The result of the number with the bits x from its rounded magnitude.
// kPlain: what lies beyond the range, infinities too, is the largest finite value.
template <class S, bool kCodes, bool kPlain, bool kSignedZero>
static inline typename Vectors<S::kLanes>::U finished_carry(const CarryCast& p, typename Vectors<S::kLanes>::U x,
                                                            typename Vectors<S::kLanes>::U magnitude) {
  constexpr int N = S::kLanes;
  using U = typename Vectors<N>::U;
  using I = typename Vectors<N>::I;
  using F = typename Vectors<N>::F;
  const U zero = x * 0u;
  const Specials& s = p.specials;
  U out = magnitude | (kCodes ? (x >> p.sign_shift) & p.sign_code : x & 0x80000000u);
  if constexpr (!kSignedZero) out = (I)(magnitude == 0u) ? zero : out;
  if constexpr (!kPlain) {
    const U a = x & 0x7FFFFFFFu;
    const I negative = (I)x < 0;
    const I beyond = (I)(magnitude > zero + (kCodes ? p.most_code : p.most));
    out = beyond ? pick_special<kCodes, N>(zero, negative, s.beyond, s.beyond_value) : out;
    out = (I)(a == 0x7F800000u) ? pick_special<kCodes, N>(zero, negative, s.infinite, s.infinite_value) : out;
  }
  return (F)x != (F)x ? zero + (kCodes ? s.nan : bits_of(s.nan_value)) : out;
}

template <class S, bool kCodes, bool kSameExponents, bool kPlain, bool kSignedZero>
static inline typename Vectors<S::kLanes>::U carried_result(const CarryCast& p, typename Vectors<S::kLanes>::U x,
                                                            typename Vectors<S::kLanes>::U word) {
  constexpr int N = S::kLanes;
  using U = typename Vectors<N>::U;
  using I = typename Vectors<N>::I;
  const U zero = x * 0u;
  const U random = (word << p.unused) | p.half;
  const U a = x & 0x7FFFFFFFu;
  // Patterns of magnitudes are positive as signed integers too, those of NaN above the others.
  const I bound = (I)(zero + (kPlain ? p.most : 0x7F800000u));
  const U c = (U)((I)a < bound ? (I)a : bound);
  const U magnitude = carried_magnitude<S, kCodes, kSameExponents>(p, c, random);
  return finished_carry<S, kCodes, kPlain, kSignedZero>(p, x, magnitude);
}

// The same in fewer steps. Numbers below the least normal one are brought among those above it by adding that, cut to
// 24 bits. What is cut off counts where the bits to be dropped are all ones with the random ones added and before a
// carry: `doubtful` gets the greatest of sum | kept, all ones where any lane is such a one. kWhole: all random bits
// are used.
template <class S, bool kCodes, bool kSameExponents, bool kPlain, bool kSignedZero, bool kWhole>
static inline typename Vectors<S::kLanes>::U quick_result(const CarryCast& p, typename Vectors<S::kLanes>::U x,
                                                          typename Vectors<S::kLanes>::U word,
                                                          typename Vectors<S::kLanes>::U& doubtful) {
  constexpr int N = S::kLanes;
  using U = typename Vectors<N>::U;
  using I = typename Vectors<N>::I;
  using F = typename Vectors<N>::F;
  const F a = S::limited_magnitude((F)x, kPlain ? p.most_value : __builtin_inff());
  const U added = (kWhole ? word : (word << p.unused) | p.half) >> p.spare;
  if constexpr (kSameExponents) {
    const U sum = (U)a + added;
    return finished_carry<S, kCodes, kPlain, kSignedZero>(p, x, kCodes ? sum >> p.drop : sum & p.kept);
  }
  const F least = broadcast<N>(p.least_value);
  const I below = (I)(a < least);
  const U sum = (U)(below ? S::sum_toward_zero(a, least) : a) + added;
  const U all = sum | p.kept;
  doubtful = doubtful > all ? doubtful : all;
  U magnitude;
  if constexpr (kCodes) {
    const U code = (sum >> p.drop) - p.code_offset;
    magnitude = below ? code - p.least_code : code;
  } else {
    const F value = (F)(sum & p.kept);
    magnitude = (U)(below ? value - least : value);
  }
  return finished_carry<S, kCodes, kPlain, kSignedZero>(p, x, magnitude);
}

// A block of 64, by the first way.
template <class S, bool kSameExponents, bool kPlain, bool kSignedZero, class Out>
__attribute__((noinline)) static void carry_block(const CarryCast& p, const float* in, Out* out, int64_t count,
                                                  const uint32_t* words) {
  constexpr int N = S::kLanes;
  using U = typename Vectors<N>::U;
  for_vectors<N>(in, out, count, [&](const float* from, Out* to, int64_t k) {
    store_result<N>(to, carried_result<S, sizeof(Out) < 4, kSameExponents, kPlain, kSignedZero>(
                            p, load_vector<U>(from), load_vector<U>(words + k)));
  });
}

template <class S, bool kSameExponents, bool kPlain, bool kSignedZero, bool kWhole, class Out>
static inline void carry_loop(const CarryCast& p, const float* in, Out* out, int64_t count, uint64_t first) {
  constexpr int N = S::kLanes;
  using U = typename Vectors<N>::U;
  const RandomKeys keys = random_keys(p.seed);
  uint32_t words[64];
  for (int64_t i = 0; i < count; i += 64) {
    random_words<N>(keys, first + static_cast<uint64_t>(i), words);
    if (i + 64 > count) {
      return carry_block<S, kSameExponents, kPlain, kSignedZero>(p, in + i, out + i, count - i, words);
    }
    // Nothing is stored before it is known: out may be in.
    U got[64 / N], doubtful = {};
#pragma GCC unroll 16
    for (int k = 0; k < 64; k += N) {
      ask_ahead(in + i + k);
      got[k / N] = quick_result<S, sizeof(Out) < 4, kSameExponents, kPlain, kSignedZero, kWhole>(
          p, load_vector<U>(in + i + k), load_vector<U>(words + k), doubtful);
    }
    if (!kSameExponents && S::any_all_ones(doubtful)) {
      carry_block<S, kSameExponents, kPlain, kSignedZero>(p, in + i, out + i, 64, words);
      continue;
    }
#pragma GCC unroll 16
    for (int k = 0; k < 64; k += N) store_result<N>(out + i + k, got[k / N]);
  }
}

template <class S, bool kSameExponents, class Out>
static inline void carry_loops(const CarryCast& p, const float* in, Out* out, int64_t count, uint64_t first) {
  if (p.plain && p.signed_zero && p.unused == 0) {
    return carry_loop<S, kSameExponents, true, true, true>(p, in, out, count, first);
  }
  // The others share a loop where they are rare.
  if (p.plain && p.signed_zero) return carry_loop<S, kSameExponents, true, true, false>(p, in, out, count, first);
  if (p.signed_zero) return carry_loop<S, kSameExponents, false, true, false>(p, in, out, count, first);
  carry_loop<S, kSameExponents, false, false, false>(p, in, out, count, first);
}

template <class S, class Out>
static inline void carry_cast(const CarryCast& given, const float* in, Out* out, int64_t count, uint64_t first) {
  const CarryCast p = given;  // a copy stays in registers
  p.same_exponents ? carry_loops<S, true>(p, in, out, count, first) : carry_loops<S, false>(p, in, out, count, first);
}

}  // namespace lowbit::formats

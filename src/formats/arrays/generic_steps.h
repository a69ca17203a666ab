// Any rounding onto evenly spaced numbers; rules as for generic_numbers.h.
#pragma once

#include "formats/arrays/generic_chance.h"

namespace lowbit::formats {

// S::shift_left and shift_right give 0 for counts of 32 and more (as unsigned numbers).
template <class S>
struct Steps {
  static constexpr int N = S::kLanes;
  using U = typename Vectors<N>::U;
  using I = typename Vectors<N>::I;
  using F = typename Vectors<N>::F;

  // 1 where the magnitude is rounded away from zero; fraction: the distance from the lower neighbour times 2^32.
  static inline U rounds_up(uint32_t rules, U negative, U odd, U fraction) {
    constexpr uint32_t kHalf = 0x80000000u;
    const U zero = odd * 0u;
    const U at_least = (U)(fraction >= kHalf) & 1u;
    const U above = (U)(fraction > kHalf) & 1u;
    const U exact = (U)(fraction == 0u);
    const U row = at_least + above + odd * 3u + negative * 6u;
    return (S::shift_right(zero + rules, row) & 1u) & ~exact;
  }

  // The same by chance; the fraction has lost the bits of the significand below bit `far`.
  static inline U rounds_up_by_chance(const StepCast& p, U random, U fraction, U significand, U far) {
    const int n = p.chance.random_bits;
    const char letter = p.chance.letter;
    if (letter == 'a' && n == 32) return (U)(fraction + random < random) & 1u;
    // From the top; where nothing of the significand is in the fraction, all that counts is that there is something.
    const U some = (U)((I)far > 32) & (U)(significand != 0u) & 1u;
    U rest = (I)far > 0 ? S::shift_left(significand, 32u - far) | some : some;
    if (letter == 'e') return random & 1u & ~((U)((fraction | rest) == 0u));
    const U bits = random & (0xFFFFFFFFu >> (32 - n));
    U kept = fraction;
    if (n < 32) {
      kept = fraction >> (32 - n);
      rest = (fraction << n) | ((U)(rest != 0u) & 1u);
    }
    U up = rest * 0u;
    if (letter == 'b') up = rest >> 31;
    if (letter == 'c') up = (U)(rest > 0x80000000u - (kept & 1u)) & 1u;
    if (n < 32) return (kept + bits + up) >> n;
    const U sum = kept + bits;
    return ((U)(sum < bits) | (U)(sum + up < up)) & 1u;
  }

  // The magnitude code of |x|, rounded, not yet bounded.
  template <bool kRandom>
  static inline U magnitude(const StepCast& p, U a, U negative, U random) {
    const U zero = a * 0u;
    const U field = a >> 23;
    const I subnormal = (I)(field == 0u);
    const U e = field + ((U)subnormal & 1u);
    const U significand = ((a << 8) & 0x7FFFFF00u) | (subnormal ? zero : zero + 0x80000000u);
    const U least = zero + static_cast<uint32_t>(p.least_field);
    const U step = p.fixed ? least : ((I)e > (I)least ? e : least);
    // Bits of the significand, which stands at the top of the word, that are no part of the code.
    const U shift = step - e + static_cast<uint32_t>(31 - p.mantissa_bits);
    const U far = shift - 32u;
    U fraction = S::shift_left(significand, zero - far) | S::shift_right(significand, far);
    U code = ((step - least) << p.mantissa_bits) + S::shift_right(significand, shift) - p.code_offset;
    if (p.wraps) code |= S::shift_left(significand, zero - shift);
    if constexpr (kRandom) {
      return code + rounds_up_by_chance(p, random, fraction, significand, far);
    } else {
      if (p.jam) return code | 1u;
      // What is shifted out of the fraction is more than nothing.
      fraction |= (U)((I)(significand != 0u) & (I)((I)far > 31)) & 1u;
      return code + rounds_up(p.rules, negative, code & 1u, fraction);
    }
  }

  // The code of the magnitude a, where it lies between zero and the least number of a float without subnormals.
  template <bool kRandom>
  static inline U beside_gap(const StepCast& p, U a, U negative, U random, U code) {
    const U zero = a * 0u;
    const I below = (I)(a < zero + bits_of(p.first));
    if (!S::any_all_ones((U)below)) return code;
    I away;
    if constexpr (kRandom) {
      using H = Halves<N>;
      typename H::I half[2];
      for (int k = 0; k < 2; ++k) {
        const auto from = __builtin_convertvector(half_of<typename H::F>((F)a, k), typename H::D);
        half[k] = __builtin_convertvector(away_from_zero(p, from, half_of<typename H::U>(random, k)), typename H::I);
      }
      away = whole_of<I>(half[0], half[1]);
    } else if (p.jam) {
      away = (I)(a != 0u);
    } else {
      const U middle = zero + bits_of(0.5f * p.first);
      U fraction = (I)(a > middle) ? zero + 0xFFFFFFFFu : (I)(a == middle) ? zero + 0x80000000u : zero + 1u;
      fraction = (I)(a == 0u) ? zero : fraction;
      away = -(I)rounds_up(p.rules, negative, zero, fraction);
    }
    return below ? (U)away & p.first_code : code;
  }
  // By chance, as masks.
  static inline typename Halves<N>::L away_from_zero(const StepCast& p, typename Halves<N>::D from,
                                                     typename Halves<N>::U random) {
    using D = typename Halves<N>::D;
    using L = typename Halves<N>::L;
    return goes_away<N>(p.chance, false, from, D{} + static_cast<double>(p.first), random) & (L)(from > 0.0);
  }

  static inline U pick(I negative, const uint32_t (&by_sign)[2]) {
    const U zero = (U)negative * 0u;
    return negative ? zero + by_sign[1] : zero + by_sign[0];
  }
  static inline U pick(I negative, const float (&by_sign)[2]) {
    const U zero = (U)negative * 0u;
    return negative ? zero + bits_of(by_sign[1]) : zero + bits_of(by_sign[0]);
  }

  // The bits of the value of a magnitude code.
  static inline U value_bits(const StepCast& p, U code, U sign) {
    if (p.wraps) {
      const int unused = p.is_signed ? __builtin_clz(p.code_mask) : 0;
      const U signed_code = ((I)sign < 0 ? 0u - code : code) & p.code_mask;
      return (U)(__builtin_convertvector((I)(signed_code << unused) >> unused, F) * p.quantum);
    }
    if (p.same_exponents) return (code << (23 - p.mantissa_bits)) | sign;
    const F counted = __builtin_convertvector((I)code, F) * p.quantum;
    if (p.fixed) return (U)counted | sign;
    const U in_order = code + p.code_offset;
    const U normal = (in_order << (23 - p.mantissa_bits)) + (static_cast<uint32_t>(p.least_field - 1) << 23);
    return ((I)(code >= p.first_code) ? normal : (U)counted) | sign;
  }

  static inline U code_bits(const StepCast& p, U code, I negative) {
    const U zero = code * 0u;
    if (p.fixed) return (negative ? zero - code : code) & p.code_mask;
    return code | (negative ? zero + p.sign_code : zero);
  }

  template <bool kRandom, bool kCodes>
  static inline U result(const StepCast& p, U u, U random) {
    const U a = u & 0x7FFFFFFFu;
    const U limit = u * 0u + bits_of(p.limit);
    const I cut = (I)(a > limit);
    U code = magnitude<kRandom>(p, cut ? limit : a, u >> 31, random);
    if (p.jam) code = (I)(a == 0u) ? a : code;
    if (p.gap) code = beside_gap<kRandom>(p, a, u >> 31, random, code);
    return finished<kCodes>(p, u, code, cut);
  }

  // What becomes of a number (of the bits u, or close to it) with the magnitude code, or cut.
  template <bool kCodes>
  static inline U finished(const StepCast& p, U u, U code, I cut) {
    const U zero = u * 0u;
    const U a = u & 0x7FFFFFFFu;
    const I negative = (I)(u > 0x7FFFFFFFu);
    I beyond = (I)(code > pick(negative, p.most)) | cut;
    if (!p.has_sign) beyond |= negative & (I)(code != 0u);
    const Specials& s = p.specials;
    const I is_infinite = (I)(a == 0x7F800000u);
    const I is_nan = (I)(a > 0x7F800000u);
    U out;
    if constexpr (kCodes) {
      out = code_bits(p, code, negative);
      if (!p.plain_zero) out = (I)(code == 0u) ? pick(negative, s.zero) : out;
      out = beyond ? pick(negative, s.beyond) : out;
      if (!p.plain_infinity) out = is_infinite ? pick(negative, s.infinite) : out;
      return is_nan ? zero + s.nan : out;
    } else {
      out = value_bits(p, code, u & 0x80000000u);
      if (!p.plain_zero) out = (I)(code == 0u) ? pick(negative, s.zero_value) : out;
      out = beyond ? pick(negative, s.beyond_value) : out;
      if (!p.plain_infinity) out = is_infinite ? pick(negative, s.infinite_value) : out;
      return is_nan ? zero + bits_of(s.nan_value) : out;
    }
  }
};

template <class S, class Out>
static inline void step_cast(const StepCast& given, const float* in, Out* out, int64_t count, uint64_t first) {
  constexpr int N = S::kLanes;
  using U = typename Vectors<N>::U;
  constexpr bool kCodes = sizeof(Out) < 4;
  const StepCast p = given;  // a copy whose address is not taken stays in registers
  if (p.chance.letter == 0) {
    for_vectors<N>(in, out, count, [&](const float* x, Out* y, int64_t) {
      const U u = load_vector<U>(x);
      store_result<N>(y, Steps<S>::template result<false, kCodes>(p, u, u));
    });
    return;
  }
  const RandomKeys keys = random_keys(p.chance.seed);
  uint32_t words[64];
  for_vectors<N>(in, out, count, [&](const float* x, Out* y, int64_t i) {
    if (i % 64 == 0) random_words<N>(keys, first + static_cast<uint64_t>(i), words);
    store_result<N>(y, Steps<S>::template result<true, kCodes>(p, load_vector<U>(x), load_vector<U>(words + i % 64)));
  });
}

// Stochastic roundings of doubles, by all their bits; not for codes that wrap.
template <class S>
static inline void step_doubles(const StepCast& given, const double* in, uint16_t* out, int64_t count,
                                uint64_t first) {
  constexpr int N = S::kLanes;
  using U = typename Vectors<N>::U;
  using I = typename Vectors<N>::I;
  using H = Halves<N>;
  using D = typename H::D;
  using L = typename H::L;
  const StepCast p = given;
  // Beyond every element, where the count of steps is still small.
  const double most = p.fixed ? static_cast<double>(p.limit) : 0x1p129;
  const int64_t least = p.least_field + 1023 - 127;
  const RandomKeys keys = random_keys(p.chance.seed);
  uint32_t words[64];
  for_vectors<N>(in, out, count, [&](const double* from, uint16_t* to, int64_t i) {
    if (i % 64 == 0) random_words<N>(keys, first + static_cast<uint64_t>(i), words);
    const U random = load_vector<U>(words + i % 64);
    typename H::U code[2];
    for (int k = 0; k < 2; ++k) {
      const D zero = {};
      const D a = (D)((L)load_vector<D>(from + k * (N / 2)) & 0x7FFFFFFFFFFFFFFF);
      const D x = a < most ? a : zero + most;  // NaN too
      const L floor = (L)zero + least;
      L step = (L)x >> 52;
      step = step < floor ? floor : step;
      if (p.fixed) step = floor;
      // In steps, of which the power of two is that many bits below that of the number.
      const D steps = x * (D)((2046 + p.mantissa_bits - step) << 52);
      const typename H::I whole = __builtin_convertvector(steps, typename H::I);
      const D part = steps - __builtin_convertvector(whole, D);
      const L away =
          goes_away<N>(p.chance, false, part, zero + 1.0, half_of<typename H::U>(random, k)) & (L)(part > 0.0);
      code[k] = (typename H::U)((__builtin_convertvector(step - least, typename H::I) << p.mantissa_bits) + whole -
                                __builtin_convertvector(away, typename H::I)) -
                p.code_offset;
      if (p.gap) {
        const auto below = __builtin_convertvector((L)(x < static_cast<double>(p.first)), typename H::I);
        const L from_zero = Steps<S>::away_from_zero(p, x, half_of<typename H::U>(random, k));
        const auto up = (typename H::U) __builtin_convertvector(from_zero, typename H::I);
        code[k] = below ? up & p.first_code : code[k];
      }
    }
    float near[N];
    odd_floats<N>(from, near, N);
    store_result<N>(to,
                    Steps<S>::template finished<true>(p, load_vector<U>(near), whole_of<U>(code[0], code[1]), I{}));
  });
}

}  // namespace lowbit::formats

// Array kernels over vectors of S::kLanes numbers. Everything is a template over S (or static): see simd/README.md.
#pragma once

#include "formats/arrays/generic_nearest.h"
#include "formats/arrays/generic_vectors.h"

namespace lowbit::formats {

// ---- random words ------------------------------------------------------------------------------------------------

// 32 x 32 -> 64 bits in each lane, as two vectors.
template <int N>
static inline void multiply_wide(typename Vectors<N>::U a, uint32_t b, typename Vectors<N>::U& high,
                                 typename Vectors<N>::U& low) {
  using W = typename Vectors<N>::W;
  using U = typename Vectors<N>::U;
  const W wide = (W)a;
  const W even = (wide & 0xFFFFFFFFull) * (uint64_t{b});
  const W odd = (wide >> 32) * (uint64_t{b});
  high = (U)((even >> 32) | (odd & 0xFFFFFFFF00000000ull));
  low = (U)((even & 0xFFFFFFFFull) | (odd << 32));
}

// The words of 64 elements (random_word of array.h): word w of block `first / 64 * 16 + lane` is that of element
// first + 16 w + lane.
template <int N>
static inline void random_words(uint64_t seed, uint64_t first, uint32_t* words) {
  using U = typename Vectors<N>::U;
  for (int part = 0; part < 16; part += N) {
    const uint64_t block = first / 64 * 16 + static_cast<uint64_t>(part);
    U lane = {};
    for (int i = 0; i < N; ++i) lane[i] = static_cast<uint32_t>(i);
    // Blocks of one call share the upper half of the counter: 16 divides 2^32.
    U c0 = lane + static_cast<uint32_t>(block);
    U c1 = lane * 0u + static_cast<uint32_t>(block >> 32);
    U c2 = lane * 0u, c3 = lane * 0u;
    uint32_t k0 = static_cast<uint32_t>(seed), k1 = static_cast<uint32_t>(seed >> 32);
    for (int round = 0; round < 10; ++round) {
      U high0, low0, high1, low1;
      multiply_wide<N>(c0, 0xD2511F53u, high0, low0);
      multiply_wide<N>(c2, 0xCD9E8D57u, high1, low1);
      c0 = high1 ^ c1 ^ k0;
      c1 = low1;
      c2 = high0 ^ c3 ^ k1;
      c3 = low0;
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
    store_vector(words + part, c0);
    store_vector(words + 16 + part, c1);
    store_vector(words + 32 + part, c2);
    store_vector(words + 48 + part, c3);
  }
}

// ---- any rounding ------------------------------------------------------------------------------------------------

// S::shift_left and shift_right give 0 for counts of 32 and more (as unsigned numbers).
template <class S>
struct Steps {
  static constexpr int N = S::kLanes;
  using U = typename Vectors<N>::U;
  using I = typename Vectors<N>::I;
  using F = typename Vectors<N>::F;

  // 1 where the magnitude is rounded away from zero; fraction: the distance from the lower neighbour times 2^32.
  static inline U rounds_up(const StepCast& p, U negative, U odd, U fraction) {
    constexpr uint32_t kHalf = 0x80000000u;
    const U zero = odd * 0u;
    const U at_least = (U)(fraction >= kHalf) & 1u;
    const U above = (U)(fraction > kHalf) & 1u;
    const U exact = (U)(fraction == 0u);
    const U row = at_least + above + odd * 3u + negative * 6u;
    return (S::shift_right(zero + p.rules, row) & 1u) & ~exact;
  }

  static inline U rounds_up_by_chance(const StepCast& p, U random, U fraction, I lost) {
    const int n = p.random_bits;
    if (p.stochastic == 'a' && n == 32) return (U)(fraction + random < random) & 1u;
    if (p.stochastic == 'e') return random & 1u & ~(U)((I)(fraction == 0u) & ~lost);
    const uint32_t most = (uint32_t{1} << n) - 1;
    const U bits = random & most;
    const U kept = fraction >> (32 - n);
    const U rest = fraction << n;
    if (p.stochastic == 'b') return (U)(kept + bits + (rest >> 31) > most) & 1u;
    if (p.stochastic == 'a') return (U)(kept + bits > most) & 1u;
    const I tie = (I)(rest == 0x80000000u) & ~lost & (I)((kept & 1u) == 0u);
    const I half = (I)(rest >= 0x80000000u) & ~tie;
    return (U)(kept + ((U)half & 1u) + bits > most) & 1u;
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
    U code = ((step - least) << p.mantissa_bits) + S::shift_right(significand, shift);
    if constexpr (kRandom) {
      const I lost = (I)(S::shift_left(S::shift_right(significand, far), far) != significand) & (I)((I)far > 0);
      return code + rounds_up_by_chance(p, random, fraction, lost);
    } else {
      if (p.jam) return code | 1u;
      // What is shifted out of the fraction is more than nothing.
      fraction |= (U)((I)(significand != 0u) & (I)((I)far > 31)) & 1u;
      return code + rounds_up(p, negative, code & 1u, fraction);
    }
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
    if (p.same_exponents) return (code << (23 - p.mantissa_bits)) | sign;
    const F counted = __builtin_convertvector((I)code, F) * p.quantum;
    if (p.fixed) return (U)counted | sign;
    const U normal = (code << (23 - p.mantissa_bits)) + (static_cast<uint32_t>(p.least_field - 1) << 23);
    return ((I)(code >= (uint32_t{1} << p.mantissa_bits)) ? normal : (U)counted) | sign;
  }

  static inline U code_bits(const StepCast& p, U code, I negative) {
    const U zero = code * 0u;
    if (p.fixed) return (negative ? zero - code : code) & p.code_mask;
    return code | (negative ? zero + p.sign_code : zero);
  }

  template <bool kRandom, bool kCodes>
  static inline U result(const StepCast& p, U u, U random) {
    const U zero = u * 0u;
    const U a = u & 0x7FFFFFFFu;
    const I negative = (I)(u > 0x7FFFFFFFu);
    const U limit = zero + bits_of(p.limit);
    const I cut = (I)(a > limit);
    U code = magnitude<kRandom>(p, cut ? limit : a, u >> 31, random);
    if (p.jam) code = (I)(a == 0u) ? zero : code;
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
  if (p.stochastic == 0) {
    for_vectors<N>(in, out, count, [&](const float* x, Out* y, int64_t) {
      const U u = load_vector<U>(x);
      store_result<N>(y, Steps<S>::template result<false, kCodes>(p, u, u));
    });
    return;
  }
  uint32_t words[64];
  for_vectors<N>(in, out, count, [&](const float* x, Out* y, int64_t i) {
    if (i % 64 == 0) random_words<N>(p.seed, first + static_cast<uint64_t>(i), words);
    store_result<N>(y, Steps<S>::template result<true, kCodes>(p, load_vector<U>(x), load_vector<U>(words + i % 64)));
  });
}

// ---- tables ------------------------------------------------------------------------------------------------------

template <class S, class Out>
static inline void table_cast(const TableCast& p, const float* in, Out* out, int64_t count) {
  constexpr int N = S::kLanes;
  using U = typename Vectors<N>::U;
  using I = typename Vectors<N>::I;
  using F = typename Vectors<N>::F;
  for_vectors<N>(in, out, count, [&](const float* from, Out* to, int64_t) {
    const F x = load_vector<F>(from);
    U below = (U)x * 0u;
    for (int step = p.steps - 1; step >= 0; --step) {
      const uint32_t half = uint32_t{1} << step;
      const F threshold = (F)S::gather(reinterpret_cast<const uint32_t*>(p.thresholds), below + (half - 1));
      below += (x >= threshold) ? (U)(I)x * 0u + half : (U)(I)x * 0u;
    }
    const I minus_zero = (I)((U)x == 0x80000000u);
    U result;
    if constexpr (sizeof(Out) < 4) {
      result = S::gather(p.codes, below);
      result = minus_zero ? result * 0u + p.minus_zero : result;
      result = x != x ? result * 0u + p.nan : result;
    } else {
      result = S::gather(reinterpret_cast<const uint32_t*>(p.values), below);
      result = minus_zero ? result * 0u + bits_of(p.minus_zero_value) : result;
      result = x != x ? result * 0u + bits_of(p.nan_value) : result;
    }
    store_result<N>(to, result);
  });
}

template <class S, class In>
static inline void decode_by_gather(const float* table, const In* in, float* out, int64_t count) {
  constexpr int N = S::kLanes;
  using U = typename Vectors<N>::U;
  for_vectors<N>(in, out, count, [&](const In* from, float* to, int64_t) {
    U code;
    if constexpr (sizeof(In) == 1) {
      code = __builtin_convertvector(load_vector<typename Vectors<N>::U8>(from), U);
    } else {
      code = __builtin_convertvector(load_vector<typename Vectors<N>::U16>(from), U);
    }
    store_vector(to, S::gather(reinterpret_cast<const uint32_t*>(table), code));
  });
}

template <class S>
static constexpr ArrayKernels make_kernels() {
  constexpr int N = S::kLanes;
  ArrayKernels k = {};
  k.step_cast = [](const StepCast& p, const float* in, float* out, int64_t n, uint64_t f) {
    step_cast<S>(p, in, out, n, f);
  };
  k.step_codes8 = [](const StepCast& p, const float* in, uint8_t* out, int64_t n, uint64_t f) {
    step_cast<S>(p, in, out, n, f);
  };
  k.step_codes16 = [](const StepCast& p, const float* in, uint16_t* out, int64_t n, uint64_t f) {
    step_cast<S>(p, in, out, n, f);
  };
  k.magic_cast = [](const MagicCast& p, const float* in, float* out, int64_t n) { magic_cast<S>(p, in, out, n); };
  k.magic_codes8 = [](const MagicCast& p, const float* in, uint8_t* out, int64_t n) { magic_cast<S>(p, in, out, n); };
  k.magic_codes16 = [](const MagicCast& p, const float* in, uint16_t* out, int64_t n) {
    magic_cast<S>(p, in, out, n);
  };
  k.fixed_cast = [](const FixedCast& p, const float* in, float* out, int64_t n) { fixed_cast<N>(p, in, out, n); };
  k.fixed_codes8 = [](const FixedCast& p, const float* in, uint8_t* out, int64_t n) { fixed_cast<N>(p, in, out, n); };
  k.fixed_codes16 = [](const FixedCast& p, const float* in, uint16_t* out, int64_t n) {
    fixed_cast<N>(p, in, out, n);
  };
  k.table_cast = [](const TableCast& p, const float* in, float* out, int64_t n) { table_cast<S>(p, in, out, n); };
  k.table_codes8 = [](const TableCast& p, const float* in, uint8_t* out, int64_t n) { table_cast<S>(p, in, out, n); };
  k.decode8 = [](const ByteDecode& p, const uint8_t* in, float* out, int64_t n) { S::decode8(p, in, out, n); };
  k.decode16 = [](const float* table, const uint16_t* in, float* out, int64_t n) {
    decode_by_gather<S>(table, in, out, n);
  };
  k.decode_bf16 = [](const ByteDecode& p, const uint8_t* in, uint16_t* out, int64_t n) {
    S::decode_bf16(p, in, out, n);
  };
  return k;
}

}  // namespace lowbit::formats

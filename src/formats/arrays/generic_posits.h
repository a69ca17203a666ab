// Posits bit by bit; rules as for generic_numbers.h. The bit strings stand at the top of 32 bits: behind the sign the
// run of the regime, its end, exponent bits, fraction. Exponent and fraction of a float already lie side by side as
// those of a posit do.
#pragma once

#include "formats/arrays/generic_chance.h"
#include "formats/arrays/generic_steps.h"

namespace lowbit::formats {

template <class S>
struct Posits {
  static constexpr int N = S::kLanes;
  using U = typename Vectors<N>::U;
  using I = typename Vectors<N>::I;
  using F = typename Vectors<N>::F;

  struct Cut {
    U code, fraction;
  };

  // The code below |x| (the bits a, finite), and what is left of the string; its last bit stands for more.
  static inline Cut cut(const PositCast& p, U a) {
    if (p.subnormals) {
      // The integer has the bits of the subnormal number, 2^149 times larger.
      const U scaled = (U) __builtin_convertvector((I)a, F) - (uint32_t{149} << 23);
      a = (I)(a < 0x00800000u) ? scaled : a;
    }
    const int es = p.exponent_bits;
    // 192 more in the exponent, a multiple of every 2^es, keeps it positive.
    const U t = a + (uint32_t{192 - 127} << 23);
    const U tail = (t << (9 - es)) >> 1;
    const I regime = (I)(t >> (23 + es)) - (192 >> es);
    const U small = (U)(regime >> 31);
    U run = ((U)regime ^ small) + 1u;
    const U longest = run * 0u + static_cast<uint32_t>(p.bits);
    run = run < longest ? run : longest;
    // The end of the run is the top bit; bits of the run move in from above, inverted where they are ones.
    const U string = S::shift_right(tail ^ (0x80000000u | ~small), run) ^ ~small;
    const U more = (U)(S::shift_left(tail, 32u - run) != 0u) & 1u;
    return {string >> (33 - p.bits), (string << (p.bits - 1)) | more};
  }

  // The bits of the value of a magnitude code; that of NaR is one with zero.
  static inline U value_bits(const PositCast& p, U code) {
    const int es = p.exponent_bits;
    const U body = code << (33 - p.bits);
    const U ones = (U)((I)body >> 31);
    // Of at most 16 bits: a float counts the zeros before the end of the run.
    const U leading = (U) __builtin_convertvector((I)((body ^ ones) >> 16), F) >> 23;
    const U run = 142u - leading;
    const U rest = S::shift_left(body, run + 1u);
    const U regime = (I)ones < 0 ? run - 1u : 0u - run;
    const U bits = (regime << (23 + es)) + (rest >> (9 - es)) + (uint32_t{127} << 23);
    return (I)(body == 0u) ? body : bits;
  }

  static inline U rounds_up_by_chance(const PositCast& p, U a, U code, U random) {
    using H = Halves<N>;
    const F x = (F)a, low = (F)value_bits(p, code), high = (F)value_bits(p, code + 1u);
    typename H::I up[2];
    for (int k = 0; k < 2; ++k) {
      const auto wide = [&](F v) { return __builtin_convertvector(half_of<typename H::F>(v, k), typename H::D); };
      const typename H::D from = wide(x) - wide(low);
      const typename H::L away =
          goes_away<N>(p.chance, true, from, wide(high) - wide(low), half_of<typename H::U>(random, k));
      up[k] = __builtin_convertvector(away & (typename H::L)(from > 0.0), typename H::I);
    }
    return whole_of<U>(up[0], up[1]) & 1u;
  }

  template <bool kRandom>
  static inline U code_of(const PositCast& p, U u, U random) {
    const U a = u & 0x7FFFFFFFu;
    const U sign = (U)((I)u >> 31);
    const Cut c = cut(p, a);
    const U odd = c.code & 1u;
    U up;
    if constexpr (kRandom) {
      up = rounds_up_by_chance(p, a, c.code, random);
    } else if (p.plain) {
      up = (U)((I)(c.fraction ^ 0x80000000u) > (I)(0u - odd)) & 1u;
    } else {
      up = Steps<S>::rounds_up(p.rules, u >> 31, odd, c.fraction);
    }
    U code = c.code + up;
    const uint32_t half = uint32_t{1} << (p.bits - 1);
    code = code < half ? code : code * 0u + (half - 1);
    if (p.nearest) code |= (U)(code == 0u) & 1u;
    code = (I)(a == 0u) ? a : code;
    code = ((code ^ sign) - sign) & (2 * half - 1);
    code = (I)(a == 0x7F800000u) ? ((I)u < 0 ? a * 0u + p.infinite[1] : a * 0u + p.infinite[0]) : code;
    return (I)(a > 0x7F800000u) ? a * 0u + p.nan : code;
  }

  static inline U signed_value(const PositCast& p, U code) {
    const uint32_t half = uint32_t{1} << (p.bits - 1);
    const U sign = (U)((I)(code << (32 - p.bits)) >> 31);
    const U value = value_bits(p, ((code ^ sign) - sign) & (2 * half - 1)) | (sign & 0x80000000u);
    return (I)(code == half) ? code * 0u + 0x7FC00000u : value;
  }

  template <bool kRandom, bool kCodes>
  static inline U result(const PositCast& p, U u, U random) {
    const U code = code_of<kRandom>(p, u, random);
    if constexpr (kCodes) return code;
    return signed_value(p, code);
  }
};

template <class S, class Out>
static inline void posit_cast(const PositCast& given, const float* in, Out* out, int64_t count, uint64_t first) {
  constexpr int N = S::kLanes;
  using U = typename Vectors<N>::U;
  constexpr bool kCodes = sizeof(Out) < 4;
  const PositCast p = given;
  if (p.chance.letter == 0) {
    for_vectors<N>(in, out, count, [&](const float* x, Out* y, int64_t) {
      const U u = load_vector<U>(x);
      store_result<N>(y, Posits<S>::template result<false, kCodes>(p, u, u));
    });
    return;
  }
  const RandomKeys keys = random_keys(p.chance.seed);
  uint32_t words[64];
  for_vectors<N>(in, out, count, [&](const float* x, Out* y, int64_t i) {
    if (i % 64 == 0) random_words<N>(keys, first + static_cast<uint64_t>(i), words);
    store_result<N>(y,
                    Posits<S>::template result<true, kCodes>(p, load_vector<U>(x), load_vector<U>(words + i % 64)));
  });
}

}  // namespace lowbit::formats

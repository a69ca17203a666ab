// Codes of floats of 9 to 16 bits, whose values are floats, by arithmetic. Rules as for generic_numbers.h.
#pragma once

#include "formats/arrays/generic_vectors.h"

namespace lowbit::formats {

template <int N, bool kSameExponents>
static inline void decode_words(const WordDecode& given, const uint16_t* in, float* out, int64_t count) {
  using U = typename Vectors<N>::U;
  using I = typename Vectors<N>::I;
  using F = typename Vectors<N>::F;
  const WordDecode p = given;
  for_vectors<N>(in, out, count, [&](const uint16_t* from, float* to, int64_t) {
    const U code = __builtin_convertvector(load_vector<typename Vectors<N>::U16>(from), U);
    const U zero = {};
    const U magnitude = code & p.magnitude_mask;
    U value = (magnitude << p.drop) + p.offset;
    if constexpr (!kSameExponents) {
      // Counted, as f32 itself has no normal number to shift them to.
      const U subnormal = (U)(__builtin_convertvector((I)magnitude, F) * p.quantum);
      value = (I)magnitude < (I)(zero + p.least_normal) ? subnormal : value;
    }
    value = (I)(magnitude == zero + p.infinity) ? zero + 0x7F800000u : value;
    value |= (code << p.sign_shift) & 0x80000000u;
    const I is_nan = ((I)magnitude > (I)(zero + p.last_number)) | (I)(code == zero + p.nan_zero);
    store_vector(to, is_nan ? zero + 0x7FC00000u : value);
  });
}

template <int N>
static inline void decode_words(const WordDecode& p, const uint16_t* in, float* out, int64_t count) {
  p.same_exponents ? decode_words<N, true>(p, in, out, count) : decode_words<N, false>(p, in, out, count);
}

}  // namespace lowbit::formats

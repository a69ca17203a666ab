// Vectors of doubles, half as many to a register; rules as for generic_numbers.h.
#pragma once

#include "formats/arrays/generic_numbers.h"

namespace lowbit::formats {

// N / 2 numbers: as doubles, and what lies beside them in 32 bits each.
template <int N>
struct Halves {
  typedef double D __attribute__((vector_size(4 * N)));
  typedef int64_t L __attribute__((vector_size(4 * N)));
  typedef float F __attribute__((vector_size(2 * N)));
  typedef uint32_t U __attribute__((vector_size(2 * N)));
  typedef int32_t I __attribute__((vector_size(2 * N)));
};

// The lower (0) or upper (1) half of a vector, and two halves as one.
template <class Half, class Whole>
static inline Half half_of(Whole v, int which) {
  static_assert(2 * sizeof(Half) == sizeof(Whole));
  Half halves[2];
  __builtin_memcpy(halves, &v, sizeof v);
  return halves[which];
}

template <class Whole, class Half>
static inline Whole whole_of(Half low, Half high) {
  static_assert(2 * sizeof(Half) == sizeof(Whole));
  const Half halves[2] = {low, high};
  Whole v;
  __builtin_memcpy(&v, halves, sizeof v);
  return v;
}

// Doubles as floats, rounded to odd: what lies beyond the range of floats becomes the largest one, whose last bit is
// 1, and what lies below it the smallest.
template <int N>
static inline void odd_floats(const double* in, float* out, int64_t count) {
  using H = Halves<N>;
  for_vectors<N / 2>(in, out, count, [&](const double* from, float* to, int64_t) {
    using D = typename H::D;
    using L = typename H::L;
    using U = typename H::U;
    using I = typename H::I;
    const D x = load_vector<D>(from);
    const typename H::F near = __builtin_convertvector(x, typename H::F);
    const D back = __builtin_convertvector(near, D);
    constexpr int64_t kMagnitude = 0x7FFFFFFFFFFFFFFF;
    // Magnitudes are ordered as their bits are.
    const U beyond = (U) __builtin_convertvector((L)(((L)back & kMagnitude) > ((L)x & kMagnitude)), I);
    const U inexact = (U) __builtin_convertvector((L)(back != x), I);
    const U is_nan = (U) __builtin_convertvector((L)(x != x), I);
    store_vector(to, ((U)near + (beyond & ~is_nan)) | (inexact & 1u));
  });
}

}  // namespace lowbit::formats

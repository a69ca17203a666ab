// Stochastic rounding between two neighbours at any distance; rules as for generic_numbers.h.
#pragma once

#include "formats/arrays/generic_doubles.h"

namespace lowbit::formats {

// Which numbers go away from zero, as a mask; from: the distance from the neighbour on the side of zero, width: that
// of the two neighbours. The three rules of encode.cc compare part = from / width with
//   a: 1 - R / 2^n    b, c: 1 - (R + 1/2) / 2^n    (c: a part on it goes away where 2^n - R is even)
// exactly; for codebooks part is the quotient rounded to double, below 1, and has a little more behind it (no ties).
// Else width has few bits and the product is exact.
template <int N>
static inline typename Halves<N>::L goes_away(const Chance& c, bool quotient, typename Halves<N>::D from,
                                              typename Halves<N>::D width, typename Halves<N>::U random) {
  using D = typename Halves<N>::D;
  using L = typename Halves<N>::L;
  const D zero = {};
  if (c.letter == 'e') return -__builtin_convertvector(random & 1u, L);
  const typename Halves<N>::U bits = random & (0xFFFFFFFFu >> (32 - c.random_bits));
  const double unit = 1.0 / static_cast<double>(uint64_t{1} << c.random_bits);
  const D least = 1.0 - (__builtin_convertvector(bits, D) + (c.letter == 'a' ? 0.0 : 0.5)) * unit;
  if (quotient) {
    D part = from / width;
    const D most = zero + 0x1.fffffffffffffp-1;
    part = part < most ? part : most;
    return (L)(part >= least);
  }
  const D edge = least * width;
  L away = (L)(from >= edge);
  if (c.letter == 'c') away &= ~((L)(from == edge) & -__builtin_convertvector(bits & 1u, L));
  return away;
}

}  // namespace lowbit::formats

// Elementary functions on vectors with one defined order of operations, so that every ISA gives the same bits.
// arith/functions.h holds the scalar definition that these are tested against.
#pragma once

namespace lowbit::simd {

// exp(x): x clamped to [-87, 88]; n = nearest integer of x * log2(e), r = x - n * ln 2 in two steps (Cody and Waite),
// the Taylor terms up to r^7 / 5040 by Horner's rule (|r| <= ln2 / 2, so what is left out is below 6e-9 relative),
// times 2^n by exponent bits.
template <class S>
static inline typename S::Float exp(typename S::Float x) {
  using F = typename S::Float;
  x = S::min(S::max(x, S::broadcast(-87.0f)), S::broadcast(88.0f));
  const F magic = S::broadcast(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer, ties to even
  const F n = S::sub(S::fma(x, S::broadcast(1.44269504f), magic), magic);
  F r = S::fma(n, S::broadcast(-0.693359375f), x);
  r = S::fma(n, S::broadcast(2.12194440e-4f), r);
  F p = S::broadcast(1.98412698e-4f);
  p = S::fma(p, r, S::broadcast(1.38888889e-3f));
  p = S::fma(p, r, S::broadcast(8.33333333e-3f));
  p = S::fma(p, r, S::broadcast(4.16666667e-2f));
  p = S::fma(p, r, S::broadcast(1.66666667e-1f));
  p = S::fma(p, r, S::broadcast(5.0e-1f));
  p = S::fma(p, r, S::broadcast(1.0f));
  p = S::fma(p, r, S::broadcast(1.0f));
  return S::mul(p, S::exp2_integer(n));
}

// x / (1 + exp(-x)).
template <class S>
static inline typename S::Float silu(typename S::Float x) {
  const typename S::Float e = exp<S>(S::sub(S::zero(), x));
  return S::div(x, S::add(S::broadcast(1.0f), e));
}

// Sum of 16 lanes as a fixed tree: l + (l + 8), then + 4, + 2, + 1.
template <class S>
static inline float sum_lanes(typename S::Float v) {
  float lane[16];
  S::store(lane, v);
  for (int width = 8; width > 0; width /= 2) {
    for (int i = 0; i < width; ++i) lane[i] += lane[i + width];
  }
  return lane[0];
}

}  // namespace lowbit::simd

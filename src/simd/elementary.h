// Elementary functions on vectors with one defined order of operations, so that every ISA gives the same bits.
// arith/functions.h holds the scalar definition that these are tested against.
#pragma once

namespace lowbit::simd {

constexpr float kLog2E = 1.44269504f;

// exp(x): 0 below -87, where numbers become subnormal, which some processors multiply a hundred times as slowly; x of
// 88 at most; n = nearest integer of x * log2(e), r = x - n * ln 2 in two steps (Cody and Waite),
// the Taylor terms up to r^7 / 5040 by Horner's rule (|r| <= ln2 / 2, so what is left out is below 6e-9 relative),
// times 2^n by exponent bits. Several vectors at a time, as each product waits for the one before it.
template <class S, int Count>
static inline void exp(typename S::Float (&x)[Count]) {
  using F = typename S::Float;
  // 1.5 * 2^23: adding it rounds to an integer, ties to even, which is in the low bits.
  const F magic = S::broadcast(12582912.0f);
  constexpr float kTerms[] = {1.38888889e-3f, 8.33333333e-3f, 4.16666667e-2f, 1.66666667e-1f, 5.0e-1f, 1.0f, 1.0f};
  F n[Count], r[Count], p[Count], given[Count];
  for (int i = 0; i < Count; ++i) {
    given[i] = x[i];
    x[i] = S::min(S::max(x[i], S::broadcast(-87.0f)), S::broadcast(88.0f));
    n[i] = S::fma(x[i], S::broadcast(kLog2E), magic);
  }
  for (int i = 0; i < Count; ++i) r[i] = S::fma(S::sub(n[i], magic), S::broadcast(-0.693359375f), x[i]);
  for (int i = 0; i < Count; ++i) r[i] = S::fma(S::sub(n[i], magic), S::broadcast(2.12194440e-4f), r[i]);
  for (int i = 0; i < Count; ++i) p[i] = S::broadcast(1.98412698e-4f);
  for (const float term : kTerms) {
    for (int i = 0; i < Count; ++i) p[i] = S::fma(p[i], r[i], S::broadcast(term));
  }
  for (int i = 0; i < Count; ++i) {
    x[i] = S::select_less(given[i], S::broadcast(-87.0f), S::zero(), S::add_exponent(p[i], n[i]));
  }
}

template <class S>
static inline typename S::Float exp(typename S::Float x) {
  typename S::Float one[1] = {x};
  exp<S, 1>(one);
  return one[0];
}

// 2^t for weights that are to be codes of 8 bits: t of 0 at most or little more, 2^-100 below -100 and of NaN; n =
// nearest integer of t, a polynomial of degree 3 of what is left (least maximum error, 8e-5 relative), times 2^n.
template <class S, int Count>
static inline void coarse_exp2(typename S::Float (&t)[Count]) {
  using F = typename S::Float;
  const F magic = S::broadcast(12582912.0f);
  F n[Count], p[Count];
  for (int i = 0; i < Count; ++i) {
    t[i] = S::max(t[i], S::broadcast(-100.0f));
    n[i] = S::add(t[i], magic);
    t[i] = S::sub(t[i], S::sub(n[i], magic));
    p[i] = S::broadcast(5.517167e-2f);
  }
  constexpr float kTerms[] = {2.4261113e-1f, 6.9326097e-1f, 9.9992806e-1f};
  for (const float term : kTerms) {
    for (int i = 0; i < Count; ++i) p[i] = S::fma(p[i], t[i], S::broadcast(term));
  }
  for (int i = 0; i < Count; ++i) t[i] = S::add_exponent(p[i], n[i]);
}

// x / (1 + exp(-x)).
template <class S>
static inline typename S::Float silu(typename S::Float x) {
  const typename S::Float e = exp<S>(S::sub(S::zero(), x));
  return S::div(x, S::add(S::broadcast(1.0f), e));
}

// tanh(x): for |x| < 0.625 the odd polynomial x + x^3 p(x^2) (least maximum error, 4e-9 relative), else
// 1 - 2 / (exp(2 |x|) + 1) with the sign of x.
template <class S>
static inline typename S::Float tanh(typename S::Float x) {
  using F = typename S::Float;
  const F square = S::mul(x, x), size = S::abs(x);
  F p = S::broadcast(-5.71704451e-3f);
  p = S::fma(p, square, S::broadcast(2.06505868e-2f));
  p = S::fma(p, square, S::broadcast(-5.37434979e-2f));
  p = S::fma(p, square, S::broadcast(1.33314913e-1f));
  p = S::fma(p, square, S::broadcast(-3.33332839e-1f));
  const F near = S::fma(S::mul(p, square), x, x);
  const F e = exp<S>(S::add(size, size));
  const F far = S::sub(S::broadcast(1.0f), S::div(S::broadcast(2.0f), S::add(e, S::broadcast(1.0f))));
  const F signed_far = S::select_less(x, S::zero(), S::sub(S::zero(), far), far);
  return S::select_less(size, S::broadcast(0.625f), near, signed_far);
}

// cap * tanh(x / cap).
template <class S>
static inline typename S::Float softcap(typename S::Float x, typename S::Float cap) {
  return S::mul(cap, tanh<S>(S::div(x, cap)));
}

// 0.5 x (1 + tanh(u)) = x / (1 + exp(-2u)), u = sqrt(2 / pi) (x + 0.044715 x^3).
template <class S>
static inline typename S::Float gelu_tanh(typename S::Float x) {
  using F = typename S::Float;
  const F twice_u = S::mul(x, S::fma(S::mul(x, x), S::broadcast(7.13548163e-2f), S::broadcast(1.59576912f)));
  return S::div(x, S::add(S::broadcast(1.0f), exp<S>(S::sub(S::zero(), twice_u))));
}

// Distribution function of the normal law: with t = 1 / (1 + 0.3 |x|), exp(-x^2 / 2) q(t) is the tail beyond |x|
// (q of degree 8, error 1.3e-8 absolute); 1 less the tail for x >= 0.
template <class S>
static inline typename S::Float normal_cdf(typename S::Float x) {
  using F = typename S::Float;
  const F one = S::broadcast(1.0f);
  const F t = S::div(one, S::fma(S::abs(x), S::broadcast(0.3f), one));
  F q = S::broadcast(3.62371463e-2f);
  q = S::fma(q, t, S::broadcast(-1.59047189e-1f));
  q = S::fma(q, t, S::broadcast(2.08425734e-1f));
  q = S::fma(q, t, S::broadcast(-5.42205646e-2f));
  q = S::fma(q, t, S::broadcast(1.27801185e-1f));
  q = S::fma(q, t, S::broadcast(1.00650176e-1f));
  q = S::fma(q, t, S::broadcast(1.20479973e-1f));
  q = S::fma(q, t, S::broadcast(1.19676688e-1f));
  q = S::fma(q, t, S::broadcast(-3.13523459e-6f));
  const F tail = S::mul(exp<S>(S::mul(S::mul(x, x), S::broadcast(-0.5f))), q);
  return S::select_less(x, S::zero(), tail, S::sub(one, tail));
}

// x times the distribution function of the normal law: 0.5 x (1 + erf(x / sqrt(2))).
template <class S>
static inline typename S::Float gelu_erf(typename S::Float x) {
  return S::mul(x, normal_cdf<S>(x));
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

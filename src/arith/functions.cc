#include "arith/functions.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <initializer_list>

namespace lowbit::arith {
namespace {

constexpr double kLn2 = 0.69314718055994530942;
constexpr double kInvLn2 = 1.4426950408889634074;
// pi / 2 in three parts of 33 bits, so that n times the first two is exact for |n| < 2^20 (Cody and Waite).
constexpr double kHalfPi1 = 1.57079632673412561417e+00;
constexpr double kHalfPi2 = 6.07710050630396597660e-11;
constexpr double kHalfPi3 = 2.02226624879595063154e-21;

double sin_series(double r) {
  const double s = r * r;
  double term = r, sum = r;
  for (int i = 1; i <= 10; ++i) {
    term = -(term * s) / static_cast<double>((2 * i) * (2 * i + 1));
    sum += term;
  }
  return sum;
}

double cos_series(double r) {
  const double s = r * r;
  double term = 1.0, sum = 1.0;
  for (int i = 1; i <= 10; ++i) {
    term = -(term * s) / static_cast<double>((2 * i - 1) * (2 * i));
    sum += term;
  }
  return sum;
}

// sin(x + quarter * pi / 2).
double sin_quarter(double x, int quarter) {
  const double n = std::floor(x / 1.57079632679489661923 + 0.5);
  double r = std::fma(n, -kHalfPi1, x);
  r = std::fma(n, -kHalfPi2, r);
  r = std::fma(n, -kHalfPi3, r);
  const int64_t turn = (static_cast<int64_t>(n) + quarter) & 3;
  const double v = (turn & 1) != 0 ? cos_series(r) : sin_series(r);
  return (turn & 2) != 0 ? -v : v;
}

}  // namespace

float exp(float x) {
  if (x < -87.0f) return 0.0f;
  x = x > -87.0f ? x : -87.0f;
  x = x < 88.0f ? x : 88.0f;
  const float magic = 12582912.0f;
  const float n = std::fma(x, kLog2E, magic) - magic;
  float r = std::fma(n, -0.693359375f, x);
  r = std::fma(n, 2.12194440e-4f, r);
  float p = 1.98412698e-4f;
  for (const float c : {1.38888889e-3f, 8.33333333e-3f, 4.16666667e-2f, 1.66666667e-1f, 5.0e-1f, 1.0f, 1.0f}) {
    p = std::fma(p, r, c);
  }
  return p * std::bit_cast<float>(static_cast<uint32_t>(static_cast<int32_t>(n) + 127) << 23);
}

float coarse_exp2(float t) {
  t = t > -100.0f ? t : -100.0f;
  const float magic = 12582912.0f;
  const float n = (t + magic) - magic, r = t - n;
  float p = 5.517167e-2f;
  for (const float c : {2.4261113e-1f, 6.9326097e-1f, 9.9992806e-1f}) p = std::fma(p, r, c);
  return p * std::bit_cast<float>(static_cast<uint32_t>(static_cast<int32_t>(n) + 127) << 23);
}

float silu(float x) { return x / (1.0f + exp(0.0f - x)); }

float tanh(float x) {
  const float size = std::fabs(x), square = x * x;
  if (size < 0.625f) {
    float p = -5.71704451e-3f;
    for (const float c : {2.06505868e-2f, -5.37434979e-2f, 1.33314913e-1f, -3.33332839e-1f}) {
      p = std::fma(p, square, c);
    }
    return std::fma(p * square, x, x);
  }
  const float far = 1.0f - 2.0f / (exp(size + size) + 1.0f);
  return x < 0.0f ? 0.0f - far : far;
}

float softcap(float x, float cap) { return cap * tanh(x / cap); }

float gelu_tanh(float x) {
  const float twice_u = x * std::fma(x * x, 7.13548163e-2f, 1.59576912f);
  return x / (1.0f + exp(0.0f - twice_u));
}

float normal_cdf(float x) {
  const float t = 1.0f / std::fma(std::fabs(x), 0.3f, 1.0f);
  float q = 3.62371463e-2f;
  for (const float c : {-1.59047189e-1f, 2.08425734e-1f, -5.42205646e-2f, 1.27801185e-1f, 1.00650176e-1f,
                        1.20479973e-1f, 1.19676688e-1f, -3.13523459e-6f}) {
    q = std::fma(q, t, c);
  }
  const float tail = exp(x * x * -0.5f) * q;
  return x < 0.0f ? tail : 1.0f - tail;
}

float gelu_erf(float x) { return x * normal_cdf(x); }

double log2(double x) {
  int exponent = 0;
  double m = std::frexp(x, &exponent);  // [0.5, 1)
  if (m < 0.70710678118654752440) {
    m *= 2.0;
    --exponent;
  }
  // log(m) = 2 atanh((m - 1) / (m + 1))
  const double t = (m - 1.0) / (m + 1.0);
  const double s = t * t;
  double sum = 0.0;
  for (int i = 25; i >= 1; i -= 2) sum = sum * s + 1.0 / static_cast<double>(i);
  return static_cast<double>(exponent) + 2.0 * t * sum * kInvLn2;
}

double exp2(double x) {
  const double n = std::floor(x + 0.5);
  const double r = (x - n) * kLn2;
  double sum = 1.0;
  for (int i = 18; i >= 1; --i) sum = 1.0 + sum * r / static_cast<double>(i);
  return std::ldexp(sum, static_cast<int>(n));
}

double sin(double x) { return sin_quarter(x, 0); }
double cos(double x) { return sin_quarter(x, 1); }

}  // namespace lowbit::arith

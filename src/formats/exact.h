// Real numbers without rounding: what stands between decoding, computing and encoding (IEEE P3109: decode, operate on
// the extended reals, project).
#pragma once

#include <cstdint>

#include "formats/format.h"

namespace lowbit::formats {

// A number of at most 64 significant bits, and whether a little more belongs to it. Finite: the magnitude is
// significand * 2^(exponent - 63) with bit 63 of the significand set, so that exponent is floor(log2(magnitude));
// with `sticky` it is larger by less than one unit of the significand's last bit.
struct Exact {
  enum class Kind : uint8_t { zero, finite, infinite, nan };
  Kind kind = Kind::zero;
  bool negative = false;
  bool sticky = false;
  int32_t exponent = 0;
  uint64_t significand = 0;

  bool is_nan() const { return kind == Kind::nan; }
  bool is_zero() const { return kind == Kind::zero; }
  bool is_finite() const { return kind == Kind::zero || kind == Kind::finite; }
  bool is_infinite() const { return kind == Kind::infinite; }
  bool operator==(const Exact&) const = default;

  static Exact zero(bool negative = false) { return {Kind::zero, negative, false, 0, 0}; }
  static Exact infinity(bool negative = false) { return {Kind::infinite, negative, false, 0, 0}; }
  static Exact nan() { return {Kind::nan, false, false, 0, 0}; }
  // significand * 2^scale, normalized; zero for a significand of 0.
  static Exact finite(bool negative, uint64_t significand, int64_t scale, bool sticky = false);
  static Exact of(double x);

  // To nearest, ties to even; exact where a double (float) can hold it. Beyond the range infinity.
  double to_double() const;
  float to_float() const;
};

// Orders finite and infinite numbers by value; -1, 0 or 1. Neither may be NaN; zeros are equal. Of two numbers that
// differ in `sticky` alone, that with it has the larger magnitude.
int compare(const Exact& a, const Exact& b);

// a + b of numbers without `sticky`. Opposite infinities and NaN give NaN; a sum of nothing is +0, but -0 where both
// are -0.
Exact add(const Exact& a, const Exact& b);

// The value of a code.
Exact decode_exact(const ElementFormat& format, uint32_t code);
// The code of x, as encode() of a double gives it.
uint32_t encode(const ElementFormat& format, const Exact& x, const CastPolicy& policy = {}, uint32_t random = 0);

}  // namespace lowbit::formats

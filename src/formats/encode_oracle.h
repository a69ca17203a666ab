// What the encode tests share: all policies, and the range rules of format.h on their own.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string_view>

#include "base/bits.h"
#include "formats/exact.h"
#include "formats/format.h"

namespace lowbit::formats {

inline constexpr Rounding kRoundings[] = {
    Rounding::nearest_even, Rounding::nearest_away, Rounding::nearest_zero, Rounding::nearest_odd,     Rounding::up,
    Rounding::down,         Rounding::to_zero,      Rounding::away,         Rounding::to_odd,          Rounding::jam,
    Rounding::stochastic,   Rounding::stochastic_b, Rounding::stochastic_c, Rounding::stochastic_equal};
inline constexpr Rounding kDeterministic[] = {Rounding::nearest_even, Rounding::nearest_away, Rounding::nearest_zero,
                                              Rounding::nearest_odd,  Rounding::up,           Rounding::down,
                                              Rounding::to_zero,      Rounding::away,         Rounding::to_odd};
inline constexpr Saturation kSaturations[] = {Saturation::finite, Saturation::propagate, Saturation::none};

inline ElementFormat element(std::string_view text) {
  auto parsed = parse_element(text);
  EXPECT_TRUE(parsed.ok()) << parsed.message();
  return std::move(parsed).value();
}

inline bool same(float a, float b) { return (std::isnan(a) && std::isnan(b)) || float_bits(a) == float_bits(b); }

inline bool same(double a, double b) { return (std::isnan(a) && std::isnan(b)) || double_bits(a) == double_bits(b); }

// Values as doubles: exact for every element whose values doubles hold.
inline double value(const ElementFormat& f, uint32_t code) { return decode_exact(f, code).to_double(); }
inline double largest(const ElementFormat& f) { return value(f, f.max_code()); }
inline double smallest(const ElementFormat& f) { return value(f, f.min_code()); }

// What the range rules of the header make of a rounded value; `rounded` is unbounded, 0 < |rounded|.
inline double saturate(const ElementFormat& f, double rounded, bool infinite, const CastPolicy& policy) {
  const bool negative = rounded < 0;
  const double limit = negative ? smallest(f) : largest(f);
  if (!infinite && (negative ? rounded >= limit : rounded <= limit)) return rounded;
  const bool has_infinity = f.kind == ElementKind::floating && f.has_infinity && (f.is_signed || !negative);
  const bool has_nan = f.kind == ElementKind::floating && std::isnan(value(f, encode(f, std::nan(""))));
  if (policy.saturation == Saturation::finite) return limit;
  if (infinite && has_infinity) return negative ? -HUGE_VAL : HUGE_VAL;
  if (policy.saturation == Saturation::propagate) return limit;
  const bool inward = policy.rounding == Rounding::to_zero || policy.rounding == Rounding::to_odd ||
                      policy.rounding == Rounding::jam ||
                      policy.rounding == (negative ? Rounding::up : Rounding::down);
  if (!infinite && inward) return limit;
  if (has_infinity) return negative ? -HUGE_VAL : HUGE_VAL;
  return has_nan ? std::numeric_limits<double>::quiet_NaN() : limit;
}

}  // namespace lowbit::formats

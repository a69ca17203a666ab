// What the encode tests share: all policies, and the range rules of format.h on their own.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string_view>

#include "base/bits.h"
#include "formats/format.h"

namespace lowbit::formats {

inline constexpr Rounding kRoundings[] = {Rounding::nearest_even, Rounding::nearest_away, Rounding::nearest_zero,
                                          Rounding::nearest_odd,  Rounding::up,           Rounding::down,
                                          Rounding::to_zero,      Rounding::away,         Rounding::to_odd,
                                          Rounding::stochastic};
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

// What the range rules of the header make of a rounded value; `rounded` is unbounded, 0 < |rounded|.
inline float saturate(const ElementFormat& f, double rounded, bool infinite, const CastPolicy& policy) {
  const bool negative = rounded < 0;
  const double limit = negative ? f.min_value() : f.max_value();
  if (!infinite && (negative ? rounded >= limit : rounded <= limit)) return static_cast<float>(rounded);
  const bool has_infinity = f.kind == ElementKind::floating && f.nan == NanKind::ieee;
  const bool has_nan = f.kind == ElementKind::floating && std::isnan(f.decode(encode(f, std::nan(""))));
  if (policy.saturation == Saturation::finite) return static_cast<float>(limit);
  if (infinite && has_infinity) return static_cast<float>(negative ? -HUGE_VAL : HUGE_VAL);
  if (policy.saturation == Saturation::propagate) return static_cast<float>(limit);
  const bool inward = policy.rounding == Rounding::to_zero || policy.rounding == Rounding::to_odd ||
                      policy.rounding == (negative ? Rounding::up : Rounding::down);
  if (!infinite && inward) return static_cast<float>(limit);
  if (has_infinity) return static_cast<float>(negative ? -HUGE_VAL : HUGE_VAL);
  return has_nan ? std::numeric_limits<float>::quiet_NaN() : static_cast<float>(limit);
}

}  // namespace lowbit::formats

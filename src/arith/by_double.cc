#include "arith/by_double.h"

#include <bit>
#include <cmath>
#include <limits>

namespace lowbit::arith {
namespace {

// x, the double nearest to a number that lies on the side of the sign of `error`: that number rounded to odd.
double to_odd(double x, double error) {
  const auto bits = std::bit_cast<uint64_t>(x);
  if (error == 0 || (bits & 1) != 0) return x;
  const bool outward = (error > 0) == (x > 0);
  return std::bit_cast<double>(outward ? bits + 1 : bits - 1);
}

}  // namespace

ByDouble::ByDouble(const ElementFormat& format, const CastPolicy& policy)
    : format_(format),
      policy_(policy),
      values_(formats::decode_table(format)),
      signless_zero_(!has_negative_zero(format)) {}

std::optional<ByDouble> ByDouble::make(const ElementFormat& format, const CastPolicy& policy) {
  if (format.bits > 16 || !formats::exact_in_float(format) || formats::is_stochastic(policy.rounding)) return {};
  return ByDouble(format, policy);
}

uint32_t ByDouble::sum(double x, double y) const {
  const double s = x + y;
  if (!std::isfinite(s)) return encode(s);
  // Opposite numbers, or zeros of both signs.
  if (s == 0 && policy_.rounding == Rounding::down && std::signbit(x) != std::signbit(y)) return encode(-0.0);
  const double part = s - x;
  const double error = (x - (s - part)) + (y - part);
  return encode(to_odd(s, error));
}

uint32_t ByDouble::divide(uint32_t a, uint32_t b) const {
  const double x = values_[a], y = values_[b];
  if (y == 0 && signless_zero_) return encode(std::numeric_limits<double>::quiet_NaN());
  const double q = x / y;
  if (!std::isfinite(q) || !std::isfinite(y) || q == 0) return encode(q);
  const double rest = std::fma(-q, y, x);  // x - q y, exact
  return encode(to_odd(q, y > 0 ? rest : -rest));
}

uint32_t ByDouble::square_root(uint32_t a) const {
  const double x = values_[a], r = std::sqrt(x);
  if (!std::isfinite(r) || r == 0) return encode(r);
  return encode(to_odd(r, std::fma(-r, r, x)));
}

}  // namespace lowbit::arith

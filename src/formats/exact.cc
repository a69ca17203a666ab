#include "formats/exact.h"

#include <bit>
#include <limits>

#include "base/bits.h"
#include "base/check.h"

namespace lowbit::formats {
namespace {

// Rounds a finite magnitude to a binary float of `precision` bits with exponents from `least` to `most`, and returns
// its code (magnitude alone); the code after the largest finite one is infinity, as in IEEE 754.
uint64_t round_to_ieee(const Exact& x, int precision, int least, int most) {
  const int step = x.exponent < least ? least : x.exponent;
  const int64_t shift = int64_t{64} - precision + (step - x.exponent);
  const uint64_t base = static_cast<uint64_t>(step - least) << (precision - 1);
  if (step > most) return static_cast<uint64_t>(most - least + 2) << (precision - 1);
  if (shift > 64) return base;  // less than half of the least step
  const uint64_t kept = shift < 64 ? x.significand >> shift : 0;
  const uint64_t rest = shift < 64 ? x.significand - (kept << shift) : x.significand;
  const uint64_t half = uint64_t{1} << (shift - 1);
  const bool up = rest > half || (rest == half && (x.sticky || (kept & 1) != 0));
  return base + kept + (up ? 1 : 0);
}

using Wide = unsigned __int128;

// sum * 2^scale, cut to 64 bits; below says that a little more than sum belongs to the magnitude.
Exact normalized(bool negative, Wide sum, int64_t scale, bool below) {
  if (sum == 0) return Exact::zero();
  const uint64_t high = static_cast<uint64_t>(sum >> 64);
  const int lead = high != 0 ? std::countl_zero(high) : 64 + std::countl_zero(static_cast<uint64_t>(sum));
  sum <<= lead;
  const bool cut = static_cast<uint64_t>(sum) != 0;
  return Exact::finite(negative, static_cast<uint64_t>(sum >> 64), scale + 64 - lead, cut || below);
}

Exact add_finite(const Exact& a, const Exact& b) {
  const bool a_larger = a.exponent != b.exponent ? a.exponent > b.exponent : a.significand >= b.significand;
  const Exact& large = a_larger ? a : b;
  const Exact& small = a_larger ? b : a;
  // One bit above for the carry, 63 below: what is shifted out of them lies far below the 64 bits that stay.
  const int64_t distance = int64_t{large.exponent} - small.exponent;
  const Wide wide = Wide{small.significand} << 63;
  const Wide moved = distance < 127 ? wide >> distance : 0;
  const bool below = distance >= 127 || (moved << distance) != wide;
  const int64_t scale = int64_t{large.exponent} - 126;
  const Wide top = Wide{large.significand} << 63;
  if (large.negative == small.negative) return normalized(large.negative, top + moved, scale, below);
  return normalized(large.negative, top - moved - (below ? 1 : 0), scale, below);
}

}  // namespace

Exact Exact::finite(bool negative, uint64_t significand, int64_t scale, bool sticky) {
  if (significand == 0) {
    LOWBIT_CHECK(!sticky);
    return zero(negative);
  }
  const int lead = std::countl_zero(significand);
  // A number whose last bit is uncertain may not be given more bits than it has.
  LOWBIT_CHECK(!sticky || lead == 0);
  const int64_t exponent = scale + 63 - lead;
  LOWBIT_CHECK(exponent > -(int64_t{1} << 30) && exponent < (int64_t{1} << 30));
  return {Kind::finite, negative, sticky, static_cast<int32_t>(exponent), significand << lead};
}

Exact Exact::of(double x) {
  const uint64_t raw = double_bits(x);
  const bool negative = (raw >> 63) != 0;
  const int field = static_cast<int>(raw >> 52) & 0x7FF;
  const uint64_t fraction = raw & ((uint64_t{1} << 52) - 1);
  if (field == 0x7FF) return fraction != 0 ? nan() : infinity(negative);
  if (field == 0) return finite(negative, fraction, -1074);
  return {Kind::finite, negative, false, field - 1023, (fraction | (uint64_t{1} << 52)) << 11};
}

double Exact::to_double() const {
  const double sign = negative ? -1.0 : 1.0;
  if (kind == Kind::nan) return std::numeric_limits<double>::quiet_NaN();
  if (kind == Kind::zero) return sign * 0.0;
  if (kind == Kind::infinite) return sign * std::numeric_limits<double>::infinity();
  return sign * std::bit_cast<double>(round_to_ieee(*this, 53, -1022, 1023));
}

float Exact::to_float() const {
  const float sign = negative ? -1.0f : 1.0f;
  if (kind == Kind::nan) return std::numeric_limits<float>::quiet_NaN();
  if (kind == Kind::zero) return sign * 0.0f;
  if (kind == Kind::infinite) return sign * std::numeric_limits<float>::infinity();
  return sign * bits_float(static_cast<uint32_t>(round_to_ieee(*this, 24, -126, 127)));
}

int compare(const Exact& a, const Exact& b) {
  LOWBIT_CHECK(!a.is_nan() && !b.is_nan());
  const auto sign = [](const Exact& x) { return x.is_zero() ? 0 : x.negative ? -1 : 1; };
  if (sign(a) != sign(b)) return sign(a) < sign(b) ? -1 : 1;
  if (sign(a) == 0) return 0;
  int magnitude = 0;
  if (a.is_infinite() || b.is_infinite()) {
    magnitude = static_cast<int>(a.is_infinite()) - static_cast<int>(b.is_infinite());
  } else if (a.exponent != b.exponent) {
    magnitude = a.exponent < b.exponent ? -1 : 1;
  } else if (a.significand != b.significand) {
    magnitude = a.significand < b.significand ? -1 : 1;
  } else {
    magnitude = static_cast<int>(a.sticky) - static_cast<int>(b.sticky);
  }
  return sign(a) * magnitude;
}

Exact add(const Exact& a, const Exact& b) {
  LOWBIT_CHECK(!a.sticky && !b.sticky);
  if (a.is_nan() || b.is_nan()) return Exact::nan();
  if (a.is_infinite() && b.is_infinite() && a.negative != b.negative) return Exact::nan();
  if (a.is_infinite()) return a;
  if (b.is_infinite()) return b;
  if (a.is_zero() && b.is_zero()) return Exact::zero(a.negative && b.negative);
  if (a.is_zero()) return b;
  return b.is_zero() ? a : add_finite(a, b);
}

}  // namespace lowbit::formats

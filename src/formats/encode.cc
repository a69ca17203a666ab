// One rounding from double, by the bits of the number: no logarithm, no second rounding.
//
// A float element is encoded as sign and magnitude. The magnitude codes of a float are numbered in the order of their
// values, so that rounding up is code + 1 whatever binade it leads to, the parity of a tie is the parity of the code
// (also where there is no mantissa, as P3109 asks), and codes beyond the largest finite one are the values that a
// wider exponent would have had: rounding comes first, saturation after it.
#include <algorithm>
#include <cmath>

#include "base/bits.h"
#include "base/check.h"
#include "formats/codes.h"
#include "formats/tables.h"

namespace lowbit::formats {
namespace {

// A magnitude between two neighbouring steps: its distance from the lower one in steps.
struct Remainder {
  bool inexact = false;
  int half = -1;          // -1 below the middle, 0 on it, 1 above
  uint32_t fraction = 0;  // floor(distance * 2^32)
};

bool rounds_away(const CastPolicy& policy, const Remainder& r, bool negative, bool odd, uint32_t random) {
  if (!r.inexact) return false;
  switch (policy.rounding) {
    case Rounding::nearest_even:
      return r.half > 0 || (r.half == 0 && odd);
    case Rounding::nearest_away:
      return r.half >= 0;
    case Rounding::nearest_zero:
      return r.half > 0;
    case Rounding::nearest_odd:
      return r.half > 0 || (r.half == 0 && !odd);
    case Rounding::up:
      return !negative;
    case Rounding::down:
      return negative;
    case Rounding::to_zero:
      return false;
    case Rounding::away:
      return true;
    case Rounding::to_odd:
      return !odd;
    case Rounding::stochastic:
      return static_cast<uint64_t>(r.fraction) + random > 0xFFFFFFFFull;
  }
  return false;
}

// Roundings that stay inside the range when a finite value of this sign lies beyond it.
bool rounds_inward(Rounding rounding, bool negative) {
  return rounding == Rounding::to_zero || rounding == Rounding::to_odd ||
         rounding == (negative ? Rounding::up : Rounding::down);
}

uint32_t beyond_range(const ElementFormat& f, bool negative, bool infinite, const CastPolicy& policy) {
  const bool has_sign = f.is_signed || !negative;
  const uint32_t sign = negative ? sign_mask(f) : 0;
  const uint32_t limit = has_sign ? sign | max_magnitude(f) : 0;
  const auto infinity = infinity_code(f);
  if (policy.saturation == Saturation::finite) return limit;
  if (infinite && infinity && has_sign) return sign | *infinity;
  if (policy.saturation == Saturation::propagate) return limit;
  if (!infinite && rounds_inward(policy.rounding, negative)) return limit;
  if (infinity && has_sign) return sign | *infinity;
  return nan_code(f).value_or(limit);
}

// A positive number below the smallest one of an element without zero, or zero itself.
uint32_t below_smallest(const ElementFormat& f, bool negative, const CastPolicy& policy) {
  const uint32_t smallest = negative ? sign_mask(f) : 0;
  const bool outward = policy.rounding == Rounding::away || policy.rounding == Rounding::to_odd ||
                       policy.rounding == (negative ? Rounding::down : Rounding::up);
  if (policy.saturation != Saturation::none || outward) return smallest;
  return nan_code(f).value_or(smallest);
}

struct Magnitude {
  int64_t code = 0;
  Remainder remainder;
};

// Truncates a finite positive magnitude onto the (unbounded) codes of a float element.
Magnitude truncate(const ElementFormat& f, double a) {
  const uint64_t raw = double_bits(a);
  const int field = static_cast<int>(raw >> 52);
  // Subnormal doubles lie far below half a step of every element: their leading zeros do not matter.
  const uint64_t hidden = field == 0 ? 0 : uint64_t{1} << 52;
  const uint64_t significand = (raw & ((uint64_t{1} << 52) - 1)) | hidden;
  const int exponent = std::max(field, 1) - 1023;
  const int least = 1 - f.bias;
  const int step = f.has_zero && exponent < least ? least : exponent;
  const int shift = 52 - f.mantissa_bits + (step - exponent);  // at least 29
  Magnitude out;
  const uint64_t kept = shift < 64 ? significand >> shift : 0;
  out.code =
      ((static_cast<int64_t>(step) + f.bias - 1) * (int64_t{1} << f.mantissa_bits)) + static_cast<int64_t>(kept);
  const uint64_t rest = shift < 64 ? significand - (kept << shift) : significand;
  out.remainder.inexact = rest != 0;
  if (shift < 64) {
    const uint64_t middle = uint64_t{1} << (shift - 1);
    out.remainder.half = rest < middle ? -1 : rest == middle ? 0 : 1;
  }
  if (shift < 32) {
    out.remainder.fraction = static_cast<uint32_t>(rest << (32 - shift));
  } else if (shift < 96) {
    out.remainder.fraction = static_cast<uint32_t>(rest >> (shift - 32));
  }
  return out;
}

// nearest_even of a normal double, without unpredictable branches; false where the general path has to decide.
bool encode_float_fast(const ElementFormat& f, double x, uint32_t& code) {
  const uint64_t raw = double_bits(x);
  const int field = static_cast<int>(raw >> 52) & 0x7FF;
  if (field == 0 || field == 0x7FF || !f.has_zero) return false;
  const uint64_t significand = (raw & ((uint64_t{1} << 52) - 1)) | (uint64_t{1} << 52);
  const int exponent = field - 1023;
  const int step = std::max(exponent, 1 - f.bias);
  // From 62 on nothing is left of the significand and less than half a step, as for every larger shift.
  const int shift = std::min(52 - f.mantissa_bits + (step - exponent), 62);
  const int64_t base = (static_cast<int64_t>(step) + f.bias - 1) * (int64_t{1} << f.mantissa_bits);
  const uint64_t odd = ((significand >> shift) + static_cast<uint64_t>(base)) & 1;
  const uint64_t kept = (significand + (uint64_t{1} << (shift - 1)) - 1 + odd) >> shift;
  const int64_t magnitude = base + static_cast<int64_t>(kept);
  if (magnitude > static_cast<int64_t>(max_magnitude(f))) return false;
  const bool signless = !f.is_signed || (f.nan == NanKind::negative_zero && magnitude == 0);
  if (!f.is_signed && (raw >> 63) != 0) return false;
  code = static_cast<uint32_t>(magnitude) | (signless ? 0 : static_cast<uint32_t>(raw >> 63) * sign_mask(f));
  return true;
}

uint32_t encode_float(const ElementFormat& f, double x, const CastPolicy& policy, uint32_t random) {
  if (uint32_t code = 0; policy.rounding == Rounding::nearest_even && encode_float_fast(f, x, code)) return code;
  const bool negative = std::signbit(x);
  if (std::isnan(x)) return nan_code(f).value_or(0);
  if (std::isinf(x)) return beyond_range(f, negative, true, policy);
  const bool keeps_sign = negative && f.is_signed;
  if (x == 0) {
    if (!f.has_zero) return below_smallest(f, keeps_sign, policy);
    return keeps_sign && f.nan != NanKind::negative_zero ? sign_mask(f) : 0;
  }
  Magnitude m = truncate(f, std::fabs(x));
  if (rounds_away(policy, m.remainder, negative, (m.code & 1) != 0, random)) ++m.code;
  if (m.code > static_cast<int64_t>(max_magnitude(f))) return beyond_range(f, negative, false, policy);
  if (negative && !f.is_signed) {
    return f.has_zero && m.code == 0 ? 0 : beyond_range(f, true, false, policy);
  }
  if (m.code < 0) return below_smallest(f, negative, policy);
  const uint32_t code = static_cast<uint32_t>(m.code);
  if (!negative || (code == 0 && f.has_zero && f.nan == NanKind::negative_zero)) return code;
  return code | sign_mask(f);
}

// Two's complement with f.fraction_bits below the point; always clamps, as there is neither infinity nor NaN.
uint32_t encode_fixed(const ElementFormat& f, double x, const CastPolicy& policy, uint32_t random) {
  if (std::isnan(x)) return 0;
  const bool negative = std::signbit(x);
  const int64_t least = f.is_signed ? -(int64_t{1} << (f.bits - 1)) : 0;
  const int64_t most = f.is_signed ? (int64_t{1} << (f.bits - 1)) - 1 : (int64_t{1} << f.bits) - 1;
  const double scale = power_of_two(f.kind == ElementKind::fixed ? f.fraction_bits : 0);
  const uint32_t mask = static_cast<uint32_t>((uint64_t{1} << f.bits) - 1);
  if (policy.rounding == Rounding::nearest_even) {
    // The ends are integers, so clamping may come first; the sum rounds to a multiple of 1.
    const double clamped = std::clamp(x * scale, static_cast<double>(least), static_cast<double>(most));
    return static_cast<uint32_t>(double_bits(clamped + 0x1.8p52)) & mask;
  }
  const double a = std::fabs(x) * scale;
  int64_t q = int64_t{1} << 20;  // beyond every element
  if (a < 0x1p20) {
    q = static_cast<int64_t>(a);
    const double rest = a - static_cast<double>(q);  // exact
    Remainder r;
    r.inexact = rest != 0;
    r.half = rest < 0.5 ? -1 : rest == 0.5 ? 0 : 1;
    r.fraction = static_cast<uint32_t>(rest * 0x1p32);
    if (rounds_away(policy, r, negative, (q & 1) != 0, random)) ++q;
  }
  q = std::clamp(negative ? -q : q, least, most);
  return static_cast<uint32_t>(q) & mask;
}

// One of two neighbouring entries of a codebook, of which neither equals x.
bool takes_upper(const CodebookIndex& index, size_t lower, double x, Rounding rounding, uint32_t random) {
  const double low = index.values[lower], high = index.values[lower + 1];
  const bool negative = std::signbit(x);
  const bool upper_even = index.upper_has_parity(lower, 0), upper_odd = index.upper_has_parity(lower, 1);
  const int half = index.compare_middle(lower, x);
  const bool outer = std::fabs(high) != std::fabs(low) ? std::fabs(high) > std::fabs(low) : !negative;
  switch (rounding) {
    case Rounding::nearest_even:
      return half > 0 || (half == 0 && upper_even);
    case Rounding::nearest_away:
      return half > 0 || (half == 0 && outer);
    case Rounding::nearest_zero:
      return half > 0 || (half == 0 && !outer);
    case Rounding::nearest_odd:
      return half > 0 || (half == 0 && upper_odd);
    case Rounding::up:
      return true;
    case Rounding::down:
      return false;
    case Rounding::to_zero:
      return negative;
    case Rounding::away:
      return !negative;
    case Rounding::to_odd:
      return upper_odd;
    case Rounding::stochastic: {
      // The distance from the entry on the side of zero, so that x and -x take the same random bits alike.
      const double from = negative ? high - x : x - low;
      const double fraction = std::min(from / (high - low) * 0x1p32, 0x1.fffffffep31);
      return (static_cast<uint64_t>(fraction) + random > 0xFFFFFFFFull) != negative;
    }
  }
  return false;
}

uint32_t encode_codebook(const ElementFormat& f, double x, const CastPolicy& policy, uint32_t random) {
  const CodebookIndex& index = codebook_index(f.codebook);
  if (std::isnan(x)) return index.nearest_zero;
  if (policy.rounding == Rounding::nearest_even) return index.nearest_even(x);
  const auto above = std::upper_bound(index.values.begin(), index.values.end(), x);
  if (above == index.values.begin()) return index.codes.front();
  const size_t lower = static_cast<size_t>(above - index.values.begin()) - 1;
  if (above == index.values.end() || index.values[lower] == x) return index.codes[lower];
  return index.codes[lower + (takes_upper(index, lower, x, policy.rounding, random) ? 1 : 0)];
}

}  // namespace

uint32_t encode(const ElementFormat& format, double x, const CastPolicy& policy, uint32_t random) {
  switch (format.kind) {
    case ElementKind::floating:
      return encode_float(format, x, policy, random);
    case ElementKind::codebook:
      return encode_codebook(format, x, policy, random);
    case ElementKind::integer:
    case ElementKind::fixed:
      break;
  }
  return encode_fixed(format, x, policy, random);
}

}  // namespace lowbit::formats

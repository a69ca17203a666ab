// One rounding, by the bits of the number: no logarithm, no second rounding.
//
// A float element is encoded as sign and magnitude. The magnitude codes of a float are numbered in the order of their
// values, so that rounding up is code + 1 whatever binade it leads to, the parity of a tie is the parity of the code
// (also where there is no mantissa, as P3109 asks), and codes beyond the largest finite one are the values that a
// wider exponent would have had: rounding comes first, saturation after it.
#include <algorithm>
#include <cmath>

#include "base/bits.h"
#include "base/check.h"
#include "formats/codebook.h"
#include "formats/codes.h"

namespace lowbit::formats {
namespace {

// A magnitude between two neighbouring steps: its distance from the lower one, in steps.
struct Remainder {
  uint64_t fraction = 0;  // floor(distance * 2^64)
  bool more = false;      // the distance is larger than that

  bool inexact() const { return fraction != 0 || more; }
  // -1 below the middle, 0 on it, 1 above.
  int half() const {
    constexpr uint64_t kHalf = uint64_t{1} << 63;
    if (fraction == kHalf) return more ? 1 : 0;
    return fraction < kHalf ? -1 : 1;
  }
};

// The three few-bit roundings of IEEE P3109 (N random bits R, distance v): A: floor(v 2^N) + R >= 2^N;
// B: floor(v 2^(N+1)) + 2R + 1 >= 2^(N+1); C: nearest_even(v 2^N) + R >= 2^N.
bool stochastic_away(const CastPolicy& policy, const Remainder& r, uint32_t random) {
  const int n = policy.random_bits;
  LOWBIT_CHECK(n >= 1 && n <= 32);
  const uint64_t bits = random & ((uint64_t{1} << n) - 1);
  const uint64_t kept = r.fraction >> (64 - n);
  const uint64_t rest = r.fraction << n;
  const uint64_t half = uint64_t{1} << 63;
  switch (policy.rounding) {
    case Rounding::stochastic_equal:
      return (random & 1) != 0;
    case Rounding::stochastic_b:
      return 2 * kept + (rest >= half ? 1 : 0) + 2 * bits + 1 >= uint64_t{2} << n;
    case Rounding::stochastic_c: {
      const bool up = rest > half || (rest == half && (r.more || (kept & 1) != 0));
      return kept + (up ? 1 : 0) + bits >= uint64_t{1} << n;
    }
    default:
      return kept + bits >= uint64_t{1} << n;
  }
}

bool rounds_away(const CastPolicy& policy, const Remainder& r, bool negative, bool odd, uint32_t random) {
  if (!r.inexact()) return false;
  switch (policy.rounding) {
    case Rounding::nearest_even:
      return r.half() > 0 || (r.half() == 0 && odd);
    case Rounding::nearest_away:
      return r.half() >= 0;
    case Rounding::nearest_zero:
      return r.half() > 0;
    case Rounding::nearest_odd:
      return r.half() > 0 || (r.half() == 0 && !odd);
    case Rounding::up:
      return !negative;
    case Rounding::down:
      return negative;
    case Rounding::to_zero:
    case Rounding::jam:
      return false;
    case Rounding::away:
      return true;
    case Rounding::to_odd:
      return !odd;
    default:
      return stochastic_away(policy, r, random);
  }
}

// Roundings that stay inside the range when a finite value of this sign lies beyond it.
bool rounds_inward(Rounding rounding, bool negative) {
  return rounding == Rounding::to_zero || rounding == Rounding::to_odd || rounding == Rounding::jam ||
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

// A magnitude as a number of steps of 2^scale, cut to 64 bits from above, and what is left.
struct Steps {
  uint64_t count = 0;
  bool huge = false;  // 2^63 or more: count holds the lowest bits
  Remainder remainder;
};

Steps steps_of(const Exact& x, int64_t scale) {
  const int64_t shift = 63 - x.exponent + scale;
  Steps out;
  if (shift <= 0) {
    out.huge = true;
    out.count = shift > -64 ? x.significand << -shift : 0;
    out.remainder.more = x.sticky;
    return out;
  }
  out.count = shift < 64 ? x.significand >> shift : 0;
  out.remainder.more = x.sticky;
  if (shift <= 64) {
    out.remainder.fraction = x.significand << (64 - shift);
  } else {
    const int64_t down = shift - 64;
    out.remainder.fraction = down < 64 ? x.significand >> down : 0;
    out.remainder.more = x.sticky || down >= 64 || (out.remainder.fraction << down) != x.significand;
  }
  return out;
}

struct Magnitude {
  int64_t code = 0;
  int64_t next = 1;  // the code above
  bool odd = false;  // of the code
  Remainder remainder;
};

// Between zero and the first code above it, of floats without subnormal numbers.
Magnitude below_first(const Exact& x, const Exact& first, uint32_t first_code) {
  using Wide = unsigned __int128;
  const int64_t distance = int64_t{first.exponent} - x.exponent;
  const Wide wide = Wide{x.significand} << (distance > 0 ? 63 : 64);
  const Wide quotient = wide / first.significand;
  const int64_t down = distance > 0 ? distance - 1 : 0;
  Magnitude out;
  out.next = first_code;
  out.remainder.fraction = down < 64 ? static_cast<uint64_t>(quotient >> down) : 0;
  out.remainder.more =
      x.sticky || wide % first.significand != 0 || down >= 64 || (Wide{out.remainder.fraction} << down) != quotient;
  return out;
}

// Cuts a finite positive magnitude to the (unbounded) codes of a float element.
Magnitude truncate(const ElementFormat& f, const Exact& x) {
  if (f.has_zero && f.subnormals != Subnormals::gradual) {
    const uint32_t code = f.subnormals == Subnormals::zero ? 1u << f.mantissa_bits : 1;
    const Exact first = decode_exact(f, code);
    Exact magnitude = x;
    magnitude.negative = false;
    if (compare(magnitude, first) < 0) return below_first(x, first, code);
  }
  const int least = 1 - f.bias;
  const bool gradual = f.has_zero && f.subnormals == Subnormals::gradual;
  const int64_t step = gradual && x.exponent < least ? least : x.exponent;
  const Steps steps = steps_of(x, step - f.mantissa_bits);
  Magnitude out;
  out.code = (step + f.bias - 1) * (int64_t{1} << f.mantissa_bits) + static_cast<int64_t>(steps.count);
  out.next = out.code + 1;
  out.odd = (out.code & 1) != 0;
  out.remainder = steps.remainder;
  return out;
}

// nearest_even of a normal double, without unpredictable branches; false where the general path has to decide.
bool encode_float_fast(const ElementFormat& f, double x, uint32_t& code) {
  const uint64_t raw = double_bits(x);
  const int field = static_cast<int>(raw >> 52) & 0x7FF;
  if (field == 0 || field == 0x7FF || !f.has_zero || f.subnormals != Subnormals::gradual) return false;
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

uint32_t encode_float(const ElementFormat& f, const Exact& x, const CastPolicy& policy, uint32_t random) {
  if (x.is_nan()) return nan_code(f).value_or(0);
  if (x.is_infinite()) return beyond_range(f, x.negative, true, policy);
  const bool keeps_sign = x.negative && f.is_signed;
  if (x.is_zero()) {
    if (!f.has_zero) return below_smallest(f, keeps_sign, policy);
    return keeps_sign && f.nan != NanKind::negative_zero ? sign_mask(f) : 0;
  }
  Magnitude m = truncate(f, x);
  if (policy.rounding == Rounding::jam) {
    if ((m.code & 1) == 0) m.code = m.next;
  } else if (rounds_away(policy, m.remainder, x.negative, m.odd, random)) {
    m.code = m.next;
  }
  if (m.code > static_cast<int64_t>(max_magnitude(f))) return beyond_range(f, x.negative, false, policy);
  if (x.negative && !f.is_signed) {
    return f.has_zero && m.code == 0 ? 0 : beyond_range(f, true, false, policy);
  }
  if (m.code < 0) return below_smallest(f, x.negative, policy);
  const uint32_t code = static_cast<uint32_t>(m.code);
  if (!x.negative || (code == 0 && f.has_zero && f.nan == NanKind::negative_zero)) return code;
  return code | sign_mask(f);
}

// nearest_even, clamped: two's complement with f.fraction_bits below the point.
uint32_t encode_fixed_fast(const ElementFormat& f, double x) {
  const double least = f.is_signed ? -static_cast<double>(int64_t{1} << (f.bits - 1)) : 0;
  const double most =
      static_cast<double>(f.is_signed ? (int64_t{1} << (f.bits - 1)) - 1 : (int64_t{1} << f.bits) - 1);
  const double scale = power_of_two(f.kind == ElementKind::fixed ? f.fraction_bits : 0);
  // The ends are integers, so clamping may come first; the sum rounds to a multiple of 1.
  const double clamped = std::clamp(x * scale, least, most);
  return static_cast<uint32_t>(double_bits(clamped + 0x1.8p52)) & ((1u << f.bits) - 1);
}

// Clamps or wraps, as there is neither infinity nor NaN.
uint32_t encode_fixed(const ElementFormat& f, const Exact& x, const CastPolicy& policy, uint32_t random) {
  const uint32_t mask = static_cast<uint32_t>((uint64_t{1} << f.bits) - 1);
  const int64_t least = f.is_signed ? -(int64_t{1} << (f.bits - 1)) : 0;
  const int64_t most = f.is_signed ? (int64_t{1} << (f.bits - 1)) - 1 : (int64_t{1} << f.bits) - 1;
  if (x.is_nan() || x.is_zero()) return 0;
  if (x.is_infinite()) return static_cast<uint32_t>(x.negative ? least : most) & mask;
  Steps steps = steps_of(x, f.kind == ElementKind::fixed ? -int64_t{f.fraction_bits} : 0);
  if (policy.rounding == Rounding::jam) steps.count |= 1;
  if (rounds_away(policy, steps.remainder, x.negative, (steps.count & 1) != 0, random)) ++steps.count;
  if (policy.saturation == Saturation::wrap) {
    return static_cast<uint32_t>(x.negative ? uint64_t{0} - steps.count : steps.count) & mask;
  }
  const int64_t kBeyond = int64_t{1} << 20;  // of every element
  int64_t q =
      steps.huge || steps.count > static_cast<uint64_t>(kBeyond) ? kBeyond : static_cast<int64_t>(steps.count);
  q = std::clamp(x.negative ? -q : q, least, most);
  return static_cast<uint32_t>(q) & mask;
}

// Where x lies between two neighbouring values of a codebook, from that on the side of zero, so that x and -x take
// the same random bits alike. Good to 50 bits.
Remainder codebook_distance(double low, double high, double x, bool negative) {
  const double from = negative ? high - x : x - low;
  const double part = std::clamp(from / (high - low), 0x1p-60, 0x1.fffffffffffffp-1);
  return {static_cast<uint64_t>(part * 0x1p64), true};
}

// One of two neighbouring entries of a codebook, of which neither equals x.
bool takes_upper(const CodebookIndex& index, size_t lower, const Exact& x, const CastPolicy& policy,
                 uint32_t random) {
  const double low = index.values[lower], high = index.values[lower + 1];
  const bool upper_even = index.upper_has_parity(lower, 0), upper_odd = index.upper_has_parity(lower, 1);
  const int half = compare(x, index.middles[lower]);
  const bool outer = std::fabs(high) != std::fabs(low) ? std::fabs(high) > std::fabs(low) : !x.negative;
  switch (policy.rounding) {
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
      // Not across zero: between a negative and a positive value the sign stays.
      return x.negative ? high <= 0 : low < 0;
    case Rounding::away:
      return !x.negative;
    case Rounding::to_odd:
    case Rounding::jam:
      return upper_odd;
    default:
      return stochastic_away(policy, codebook_distance(low, high, x.to_double(), x.negative), random) != x.negative;
  }
}

uint32_t encode_codebook(const ElementFormat& f, const Exact& x, const CastPolicy& policy, uint32_t random) {
  const CodebookIndex& index = f.codebook->index;
  if (x.is_nan()) return index.nan.value_or(index.nearest_zero);
  if (x.is_infinite() && index.nan && policy.saturation == Saturation::none) return *index.nan;
  // The first value that is not below x. Nearest to it is a double; what that leaves out decides where they are
  // equal.
  const double near = x.to_double();
  auto above = std::lower_bound(index.values.begin(), index.values.end(), near);
  const bool on_value = above != index.values.end() && *above == near;
  const int side = on_value ? compare(x, Exact::of(near)) : 1;
  if (on_value && side > 0) ++above;
  if (above == index.values.end()) return index.codes.back();
  const size_t upper = static_cast<size_t>(above - index.values.begin());
  if (upper == 0 || side == 0) return index.codes[upper];
  return index.codes[upper - 1 + (takes_upper(index, upper - 1, x, policy, random) ? 1 : 0)];
}

}  // namespace

uint32_t encode(const ElementFormat& format, const Exact& x, const CastPolicy& policy, uint32_t random) {
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

uint32_t encode(const ElementFormat& format, double x, const CastPolicy& policy, uint32_t random) {
  if (policy.rounding == Rounding::nearest_even && !std::isnan(x)) {
    uint32_t code = 0;
    if (format.kind == ElementKind::floating) {
      if (encode_float_fast(format, x, code)) return code;
    } else if (!std::isinf(x) && format.kind == ElementKind::codebook) {
      const Codebook& book = *format.codebook;
      if (book.posit_exponent_bits) return nearest_posit(format.bits, *book.posit_exponent_bits, x);
      return book.index.nearest_even(x);
    } else if (!std::isinf(x) && policy.saturation != Saturation::wrap) {
      return encode_fixed_fast(format, x);
    }
  }
  return encode(format, Exact::of(x), policy, random);
}

}  // namespace lowbit::formats

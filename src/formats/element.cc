#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "base/bits.h"
#include "base/check.h"
#include "formats/codebook.h"
#include "formats/codes.h"

namespace lowbit::formats {
namespace {

bool same_float(const ElementFormat& a, const ElementFormat& b) {
  return a.exponent_bits == b.exponent_bits && a.mantissa_bits == b.mantissa_bits && a.bias == b.bias &&
         a.nan == b.nan && a.has_infinity == b.has_infinity && a.subnormals == b.subnormals &&
         a.has_zero == b.has_zero;
}

bool same_codebook(const ElementFormat& a, const ElementFormat& b) {
  if (a.codebook == b.codebook) return true;
  if (!a.codebook || !b.codebook) return false;
  const auto same = [](double x, double y) { return double_bits(x) == double_bits(y); };  // NaN too
  return a.codebook->name == b.codebook->name && std::ranges::equal(a.codebook->values, b.codebook->values, same);
}

// Sign-extends the low `bits` bits.
int32_t signed_code(uint32_t code, int bits) { return static_cast<int32_t>(code << (32 - bits)) >> (32 - bits); }

Exact decode_float(const ElementFormat& f, uint32_t code) {
  const uint32_t sign = code & sign_mask(f);
  const uint32_t body = code & ~sign_mask(f);
  const bool negative = sign != 0;
  if (f.nan == NanKind::negative_zero && negative && body == 0) return Exact::nan();
  if (body > max_magnitude(f)) {
    const auto infinity = infinity_code(f);
    return infinity && body == *infinity ? Exact::infinity(negative) : Exact::nan();
  }
  const uint32_t field = body >> f.mantissa_bits;
  const uint32_t fraction = body & ((1u << f.mantissa_bits) - 1);
  const bool is_zero = body == 0 || (field == 0 && f.subnormals == Subnormals::zero);
  if (f.has_zero && is_zero) return Exact::zero(negative);
  const bool subnormal = field == 0 && f.has_zero && f.subnormals == Subnormals::gradual;
  const uint64_t significand = fraction | (subnormal ? 0 : 1u << f.mantissa_bits);
  return Exact::finite(negative, significand, static_cast<int64_t>(subnormal ? 1 : field) - f.bias - f.mantissa_bits);
}

}  // namespace

double power_of_two(int k) {
  LOWBIT_CHECK(k >= -1022 && k <= 1023);
  return std::bit_cast<double>(static_cast<uint64_t>(k + 1023) << 52);
}

uint32_t max_magnitude(const ElementFormat& f) {
  const uint32_t all = static_cast<uint32_t>((uint64_t{1} << (f.exponent_bits + f.mantissa_bits)) - 1);
  // In the top exponent of IEEE 754 infinity is the first code, or where there is none the first NaN.
  if (f.nan == NanKind::ieee) return (((1u << f.exponent_bits) - 1) << f.mantissa_bits) - 1;
  return all - (f.nan == NanKind::all_ones ? 1 : 0) - (f.has_infinity ? 1 : 0);
}

uint32_t sign_mask(const ElementFormat& f) { return f.is_signed ? 1u << (f.exponent_bits + f.mantissa_bits) : 0; }

std::optional<uint32_t> infinity_code(const ElementFormat& f) {
  if (f.kind != ElementKind::floating || !f.has_infinity) return std::nullopt;
  return max_magnitude(f) + 1;
}

std::optional<uint32_t> nan_code(const ElementFormat& f) {
  if (f.kind == ElementKind::codebook) return f.codebook->index.nan;
  if (f.kind != ElementKind::floating) return std::nullopt;
  if (f.nan == NanKind::all_ones) return max_magnitude(f) + (f.has_infinity ? 2 : 1);
  if (f.nan == NanKind::negative_zero && f.is_signed) return sign_mask(f);
  if (f.nan == NanKind::ieee && f.mantissa_bits > 0) return (max_magnitude(f) + 1) | (1u << (f.mantissa_bits - 1));
  return std::nullopt;
}

const char* element_defect(const ElementFormat& f) {
  if (f.kind != ElementKind::floating) return nullptr;
  const int width = f.exponent_bits + f.mantissa_bits + (f.is_signed ? 1 : 0);
  const bool wide = f.is_signed && f.exponent_bits == 8 && f.nan == NanKind::ieee && f.bias == 127 &&
                    f.subnormals == Subnormals::gradual && f.has_infinity;
  const bool named = wide && (f.mantissa_bits == 10 || f.mantissa_bits == 23);
  if (f.exponent_bits < 1 || f.exponent_bits > 15) return "1 to 15 exponent bits";
  if (width > 16 && !named) return "an element of at most 16 bits, or tf32 or f32";
  // Below what an infinity and a NaN take there must be something.
  if (f.mantissa_bits + f.exponent_bits < 2 && (f.has_infinity || f.nan == NanKind::all_ones)) {
    return "a float with more finite values than zero";
  }
  const bool flushed = f.subnormals == Subnormals::zero;
  const uint32_t least = f.has_zero ? (flushed ? 1u << f.mantissa_bits : 1) : 0;
  if (max_magnitude(f) < least || max_magnitude(f) < 1) return "a float with more finite values than zero";
  return nullptr;
}

bool exact_in_float(const ElementFormat& f) {
  if (f.kind == ElementKind::codebook) {
    for (const double v : f.codebook->values) {
      if (!std::isnan(v) && static_cast<double>(static_cast<float>(v)) != v) return false;
    }
    return true;
  }
  if (f.kind != ElementKind::floating) return true;
  const int top = static_cast<int>(max_magnitude(f) >> f.mantissa_bits);
  const bool gradual = f.has_zero && f.subnormals == Subnormals::gradual;
  const int quantum = (gradual ? 1 : 0) - f.bias - f.mantissa_bits;
  return (top > 0 || !gradual ? top : 1) - f.bias <= 127 && quantum >= -149;
}

// Has every value a nearest float of full precision?
bool near_floats(const Codebook& codebook) {
  for (const double v : codebook.values) {
    const double magnitude = std::fabs(v);
    if (magnitude > std::numeric_limits<float>::max() || (v != 0 && magnitude < std::numeric_limits<float>::min())) {
      return false;
    }
  }
  return true;
}

const char* storage_defect(const ElementFormat& f) {
  if (f.bits > 16 && f.bits != 32) return "an element of at most 16 bits, or f32";
  const bool rounded = f.kind == ElementKind::codebook && f.codebook->irrational;
  if (!(rounded ? near_floats(*f.codebook) : exact_in_float(f))) return "an element within the range of f32";
  return nullptr;
}

bool ElementFormat::operator==(const ElementFormat& other) const {
  if (kind != other.kind || bits != other.bits) return false;
  if (kind == ElementKind::codebook) return same_codebook(*this, other);
  if (is_signed != other.is_signed) return false;
  if (kind == ElementKind::fixed) return fraction_bits == other.fraction_bits;
  return kind == ElementKind::integer || same_float(*this, other);
}

Exact decode_exact(const ElementFormat& f, uint32_t code) {
  LOWBIT_CHECK(f.bits == 32 || code < f.code_count());
  switch (f.kind) {
    case ElementKind::floating:
      return decode_float(f, code);
    case ElementKind::codebook:
      return code < f.codebook->values.size() ? Exact::of(f.codebook->values[code]) : Exact::zero();
    case ElementKind::integer:
    case ElementKind::fixed:
      break;
  }
  const int64_t q = f.is_signed ? signed_code(code, f.bits) : static_cast<int64_t>(code);
  const int shift = f.kind == ElementKind::fixed ? f.fraction_bits : 0;
  return Exact::finite(q < 0, static_cast<uint64_t>(q < 0 ? -q : q), -shift);
}

float ElementFormat::decode(uint32_t code) const {
  if (kind == ElementKind::floating && bits == 32) return bits_float(code);
  return decode_exact(*this, code).to_float();
}

uint32_t ElementFormat::max_code() const {
  if (kind == ElementKind::floating) return max_magnitude(*this);
  if (kind == ElementKind::codebook) return codebook->index.codes.back();
  return is_signed ? (1u << (bits - 1)) - 1 : code_count() - 1;
}

uint32_t ElementFormat::min_code() const {
  if (kind == ElementKind::floating) return is_signed ? sign_mask(*this) | max_magnitude(*this) : 0;
  if (kind == ElementKind::codebook) return codebook->index.codes.front();
  return is_signed ? 1u << (bits - 1) : 0;
}

float ElementFormat::max_value() const { return decode(max_code()); }
float ElementFormat::min_value() const { return decode(min_code()); }

int ElementFormat::max_exponent() const {
  // Where nothing is positive (int1), the exponent of the largest magnitude.
  const Exact most = decode_exact(*this, max_code());
  const Exact largest = most.kind == Exact::Kind::finite && !most.negative ? most : decode_exact(*this, min_code());
  return largest.kind == Exact::Kind::finite ? largest.exponent : 0;
}

double bits_per_element(const Format& format) {
  double bits = stored_bits(format.element);
  for (const ScaleLevel& level : format.levels) {
    if (level.group <= 0) continue;
    const int more =
        level.scale.bits + (level.minimum ? level.minimum->bits : 0) + (level.zero_point ? format.element.bits : 0);
    bits += more / (static_cast<double>(level.group) * static_cast<double>(level.rows));
  }
  return bits;
}

}  // namespace lowbit::formats

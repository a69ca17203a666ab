#include <bit>
#include <cmath>
#include <limits>

#include "base/bits.h"
#include "base/check.h"
#include "formats/codes.h"

namespace lowbit::formats {
namespace {

bool same_float(const ElementFormat& a, const ElementFormat& b) {
  return a.exponent_bits == b.exponent_bits && a.mantissa_bits == b.mantissa_bits && a.bias == b.bias &&
         a.nan == b.nan && a.has_zero == b.has_zero;
}

bool same_codebook(const ElementFormat& a, const ElementFormat& b) {
  if (a.codebook == b.codebook) return true;
  if (!a.codebook || !b.codebook) return false;
  return a.codebook->name == b.codebook->name && a.codebook->values == b.codebook->values;
}

// Sign-extends the low `bits` bits.
int32_t signed_code(uint32_t code, int bits) { return static_cast<int32_t>(code << (32 - bits)) >> (32 - bits); }

double magnitude(const ElementFormat& f, uint32_t code) {
  const int m = f.mantissa_bits;
  int field = static_cast<int>(code >> m);
  uint32_t significand = code & ((1u << m) - 1);
  if (field == 0 && f.has_zero) {
    field = 1;
  } else {
    significand |= 1u << m;
  }
  return static_cast<double>(significand) * power_of_two(field - f.bias - m);
}

float decode_float(const ElementFormat& f, uint32_t code) {
  const uint32_t sign = code & sign_mask(f);
  const uint32_t body = code & ~sign_mask(f);
  if (f.nan == NanKind::negative_zero && sign != 0 && body == 0) return std::numeric_limits<float>::quiet_NaN();
  if (body > max_magnitude(f)) {
    const auto infinity = infinity_code(f);
    if (!infinity || body != *infinity) return std::numeric_limits<float>::quiet_NaN();
    return sign != 0 ? -std::numeric_limits<float>::infinity() : std::numeric_limits<float>::infinity();
  }
  const float value = static_cast<float>(magnitude(f, body));
  return sign != 0 ? -value : value;
}

// The larger (or, with least, the smaller) of all values of a codebook.
float codebook_extreme(const Codebook& book, bool least) {
  float best = book.values.at(0);
  for (const float v : book.values) {
    if (least ? v < best : v > best) best = v;
  }
  return best;
}

}  // namespace

double power_of_two(int k) {
  LOWBIT_CHECK(k >= -1022 && k <= 1023);
  return std::bit_cast<double>(static_cast<uint64_t>(k + 1023) << 52);
}

uint32_t max_magnitude(const ElementFormat& f) {
  const uint32_t all = static_cast<uint32_t>((uint64_t{1} << (f.exponent_bits + f.mantissa_bits)) - 1);
  if (f.nan == NanKind::ieee) return (((1u << f.exponent_bits) - 1) << f.mantissa_bits) - 1;
  return f.nan == NanKind::all_ones ? all - 1 : all;
}

uint32_t sign_mask(const ElementFormat& f) { return f.is_signed ? 1u << (f.exponent_bits + f.mantissa_bits) : 0; }

std::optional<uint32_t> infinity_code(const ElementFormat& f) {
  if (f.kind != ElementKind::floating || f.nan != NanKind::ieee) return std::nullopt;
  return max_magnitude(f) + 1;
}

std::optional<uint32_t> nan_code(const ElementFormat& f) {
  if (f.kind != ElementKind::floating) return std::nullopt;
  if (f.nan == NanKind::all_ones) return max_magnitude(f) + 1;
  if (f.nan == NanKind::negative_zero && f.is_signed) return sign_mask(f);
  if (f.nan == NanKind::ieee && f.mantissa_bits > 0) return (max_magnitude(f) + 1) | (1u << (f.mantissa_bits - 1));
  return std::nullopt;
}

const char* element_defect(const ElementFormat& f) {
  if (f.kind == ElementKind::floating) {
    const int width = f.exponent_bits + f.mantissa_bits + (f.is_signed ? 1 : 0);
    const bool is_f32 = width == 32 && f.exponent_bits == 8 && f.nan == NanKind::ieee && f.bias == 127;
    if (f.exponent_bits < 1 || f.exponent_bits > 8) return "1 to 8 exponent bits";
    if (width > 16 && !is_f32) return "an element of at most 16 bits, or f32";
    if (max_magnitude(f) < 1) return "a float with more finite values than zero";
    const int top = static_cast<int>(max_magnitude(f) >> f.mantissa_bits);
    const int quantum = (f.has_zero ? 1 : 0) - f.bias - f.mantissa_bits;
    if ((top > 0 ? top : 1) - f.bias > 127) return "a float within the range of f32 (its largest value is beyond it)";
    if (quantum < -149) return "a float within the range of f32 (its smallest value is below it)";
  }
  return nullptr;
}

bool ElementFormat::operator==(const ElementFormat& other) const {
  if (kind != other.kind || bits != other.bits) return false;
  if (kind == ElementKind::codebook) return same_codebook(*this, other);
  if (is_signed != other.is_signed) return false;
  if (kind == ElementKind::fixed) return fraction_bits == other.fraction_bits;
  return kind == ElementKind::integer || same_float(*this, other);
}

float ElementFormat::decode(uint32_t code) const {
  LOWBIT_CHECK(bits == 32 || code < code_count());
  switch (kind) {
    case ElementKind::floating:
      return bits == 32 ? bits_float(code) : decode_float(*this, code);
    case ElementKind::codebook:
      return code < codebook->values.size() ? codebook->values[code] : 0.0f;
    case ElementKind::integer:
    case ElementKind::fixed:
      break;
  }
  const int32_t q = is_signed ? signed_code(code, bits) : static_cast<int32_t>(code);
  const int shift = kind == ElementKind::fixed ? fraction_bits : 0;
  return static_cast<float>(static_cast<double>(q) * power_of_two(-shift));
}

float ElementFormat::max_value() const {
  if (kind == ElementKind::floating) return decode(max_magnitude(*this));
  if (kind == ElementKind::codebook) return codebook_extreme(*codebook, false);
  return decode(is_signed ? (1u << (bits - 1)) - 1 : code_count() - 1);
}

float ElementFormat::min_value() const {
  if (kind == ElementKind::floating) return is_signed ? -max_value() : decode(0);
  if (kind == ElementKind::codebook) return codebook_extreme(*codebook, true);
  return decode(is_signed ? 1u << (bits - 1) : 0);
}

int ElementFormat::max_exponent() const {
  // Where nothing is positive (int1), the exponent of the largest magnitude.
  const float largest = max_value() > 0 ? max_value() : -min_value();
  if (!(largest > 0)) return 0;
  // As a double every float is normal.
  return static_cast<int>(double_bits(largest) >> 52) - 1023;
}

double bits_per_element(const Format& format) {
  double bits = format.element.bits;
  for (const ScaleLevel& level : format.levels) {
    if (level.group <= 0) continue;
    const int more =
        level.scale.bits + (level.minimum ? level.minimum->bits : 0) + (level.zero_point ? format.element.bits : 0);
    bits += static_cast<double>(more) / static_cast<double>(level.group);
  }
  return bits;
}

}  // namespace lowbit::formats

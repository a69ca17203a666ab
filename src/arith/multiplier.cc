#include "arith/multiplier.h"

#include <string>

#include "base/check.h"

namespace lowbit::arith {
namespace {

using formats::ElementKind;
using formats::Subnormals;

const char* supports_all(const ElementFormat&) { return nullptr; }

const char* supports_mantissa(const ElementFormat& f) {
  const bool fits = f.kind == ElementKind::floating && f.mantissa_bits > 0;
  return fits ? nullptr : "a float with at least one mantissa bit";
}

Exact exact_product(const ElementFormat&, const Exact& a, const Exact& b) { return multiply(a, b); }

// l(m) of the paper, section 2.2.
int lmul_offset(int mantissa_bits) { return mantissa_bits <= 3 ? mantissa_bits : mantissa_bits == 4 ? 3 : 4; }

// x_m + y_m + 2^-l in units of 2^-60, of numbers 1 + x_m with at most 24 bits.
uint64_t lmul_fraction(const ElementFormat& f, const Exact& a, const Exact& b) {
  constexpr uint64_t kHidden = uint64_t{1} << 63;
  return ((a.significand ^ kHidden) >> 3) + ((b.significand ^ kHidden) >> 3) +
         (uint64_t{1} << (60 - lmul_offset(f.mantissa_bits)));
}

// Of the values: a subnormal number counts by its own leading bit.
Exact lmul_product(const ElementFormat& f, const Exact& a, const Exact& b) {
  const Exact special = multiply(a, b);
  if (special.kind != Exact::Kind::finite) return special;
  return Exact::finite(special.negative, (uint64_t{1} << 60) + lmul_fraction(f, a, b),
                       int64_t{a.exponent} + b.exponent - 60);
}

// Codes without sign: A + B - (bias << m) + ((1 << m) >> l). A fraction of 1 or more carries into the exponent, where
// it doubles the number. The hardware knows no subnormal numbers: operands and results with an exponent field of 0
// are zero, as are results below.
Exact lmul_adder_product(const ElementFormat& f, const Exact& a, const Exact& b) {
  const Exact special = multiply(a, b);
  if (special.kind != Exact::Kind::finite) return special;
  const bool hidden = !f.has_zero || f.subnormals == Subnormals::binade;  // in every exponent field
  const int least = (hidden ? 0 : 1) - f.bias;
  if (a.exponent < least || b.exponent < least) return Exact::zero(special.negative);
  const uint64_t fraction = lmul_fraction(f, a, b);
  const auto carry = static_cast<int64_t>(fraction >> 60);
  const uint64_t rest = fraction & ((uint64_t{1} << 60) - 1);
  const int64_t exponent = int64_t{a.exponent} + b.exponent + carry;
  if (exponent < least) return Exact::zero(special.negative);
  return Exact::finite(special.negative, (uint64_t{1} << 60) + rest, exponent - 60);
}

constexpr Multiplier kMultipliers[] = {
#define LOWBIT_MULTIPLIER(name, product, unsupported, source) {name, product, unsupported, source},
#include "arith/multipliers.inc"
#undef LOWBIT_MULTIPLIER
};

}  // namespace

std::span<const Multiplier> multipliers() { return kMultipliers; }
const Multiplier& exact_multiplier() { return kMultipliers[0]; }

Result<const Multiplier*> find_multiplier(std::string_view name, const ElementFormat& format) {
  std::string names;
  for (const Multiplier& row : kMultipliers) {
    names += (names.empty() ? "" : ", ") + std::string(row.name);
    if (row.name != name) continue;
    const char* expected = row.unsupported(format);
    if (expected == nullptr) return &row;
    return errorf("multiplier {}: found the format {}, expected {}", name, formats::print(format), expected);
  }
  return errorf("multiplier: found \"{}\", expected one of {}", name, names);
}

uint32_t multiply(const Multiplier& multiplier, const ElementFormat& format, uint32_t a, uint32_t b,
                  const CastPolicy& policy, uint32_t random) {
  const Exact x = formats::decode_exact(format, a), y = formats::decode_exact(format, b);
  return formats::encode(format, multiplier.product(format, x, y), policy, random);
}

}  // namespace lowbit::arith

#include "formats/array_plans.h"

#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "base/bits.h"
#include "formats/codebook.h"
#include "formats/codes.h"
#include "formats/exact.h"
#include "formats/recent.h"

namespace lowbit::formats {
namespace {

bool is_fixed(const ElementFormat& f) { return f.kind == ElementKind::integer || f.kind == ElementKind::fixed; }

// Are the numbers of the format a float's, evenly spaced below the least normal one, and all of them floats that the
// kernels can make?
bool has_steps(const ElementFormat& f) {
  if (is_fixed(f)) return true;
  return f.kind == ElementKind::floating && f.has_zero && f.subnormals == Subnormals::gradual && f.bits < 32 &&
         f.bias <= 127 && exact_in_float(f);
}

// The same of a float without subnormal numbers, whose steps begin at the least normal one.
bool has_gap(const ElementFormat& f) {
  return f.kind == ElementKind::floating && f.has_zero && f.subnormals != Subnormals::gradual && f.bits < 32 &&
         f.bias <= (f.subnormals == Subnormals::zero ? 127 : 126) && exact_in_float(f);
}

// Which remainders the deterministic roundings take away from zero.
uint32_t rules_of(Rounding rounding) {
  uint32_t rules = 0;
  for (const uint32_t negative : {0u, 1u}) {
    for (const uint32_t odd : {0u, 1u}) {
      const bool nearest = rounding <= Rounding::nearest_odd;
      const bool outward = rounding == Rounding::away || (rounding == Rounding::to_odd && odd == 0) ||
                           rounding == (negative != 0 ? Rounding::down : Rounding::up);
      const bool tie = (rounding == Rounding::nearest_even && odd == 1) || rounding == Rounding::nearest_away ||
                       (rounding == Rounding::nearest_odd && odd == 0);
      const uint32_t row = 6 * negative + 3 * odd;
      rules |= (outward ? 1u : 0u) << row;
      rules |= (outward || tie ? 1u : 0u) << (row + 1);
      rules |= (outward || nearest ? 1u : 0u) << (row + 2);
    }
  }
  return rules;
}

char letter_of(Rounding rounding) {
  constexpr std::array<std::pair<Rounding, char>, 4> kLetters = {{{Rounding::stochastic, 'a'},
                                                                  {Rounding::stochastic_b, 'b'},
                                                                  {Rounding::stochastic_c, 'c'},
                                                                  {Rounding::stochastic_equal, 'e'}}};
  for (const auto& [row, letter] : kLetters) {
    if (row == rounding) return letter;
  }
  return 0;
}

}  // namespace

Specials specials_of(const ElementFormat& f, const CastPolicy& policy) {
  Specials s;
  const double beyond = std::numeric_limits<double>::max();
  for (const bool negative : {false, true}) {
    const double sign = negative ? -1.0 : 1.0;
    s.zero[negative] = encode(f, sign * 0.0, policy);
    // Where random bits decide, what lies this far beyond does not depend on them.
    s.beyond[negative] = encode(f, sign * beyond, policy);
    s.infinite[negative] = encode(f, sign * HUGE_VAL, policy);
    s.zero_value[negative] = f.decode(s.zero[negative]);
    s.beyond_value[negative] = f.decode(s.beyond[negative]);
    s.infinite_value[negative] = f.decode(s.infinite[negative]);
  }
  s.nan = encode(f, std::nan(""), policy);
  s.nan_value = f.decode(s.nan);
  return s;
}

Chance chance_of(const CastPolicy& policy, uint64_t seed) {
  return {letter_of(policy.rounding), policy.random_bits, seed};
}

namespace {

StepCast step_plan(const ElementFormat& f, const CastPolicy& policy, uint64_t seed) {
  StepCast p = {};
  p.fixed = is_fixed(f);
  p.mantissa_bits = p.fixed ? 0 : f.mantissa_bits;
  const int fraction = f.kind == ElementKind::fixed ? f.fraction_bits : 0;
  p.least_field = p.fixed ? 127 - fraction : 128 - f.bias;
  if (p.fixed) {
    p.most[0] = (1u << (f.is_signed ? f.bits - 1 : f.bits)) - 1;
    p.most[1] = f.is_signed ? 1u << (f.bits - 1) : 0;
    p.limit = std::ldexp(1.0f, f.bits + 1 - fraction);
  } else {
    p.most[0] = p.most[1] = max_magnitude(f);
    p.sign_code = sign_mask(f);
    p.limit = std::numeric_limits<float>::max();
  }
  if (!p.fixed) {
    // Without subnormal numbers, and without zeros in their place, the least exponent field is a number's like any
    // other.
    const bool hidden = f.subnormals == Subnormals::binade;
    p.gap = f.subnormals != Subnormals::gradual;
    p.code_offset = hidden ? 1u << f.mantissa_bits : 0;
    p.least_field -= hidden ? 1 : 0;
    p.first_code = hidden ? 1 : 1u << f.mantissa_bits;
    p.first = f.decode(p.first_code);
  }
  p.has_sign = f.is_signed;
  p.code_mask = f.code_count() - 1;
  p.quantum = p.fixed ? std::ldexp(1.0f, -fraction) : std::ldexp(1.0f, 1 - f.bias - f.mantissa_bits);
  p.rules = rules_of(policy.rounding);
  p.jam = policy.rounding == Rounding::jam;
  p.chance = chance_of(policy, seed);
  p.same_exponents = !p.fixed && p.least_field == 1 && p.code_offset == 0;
  const Specials& s = p.specials = specials_of(f, policy);
  p.plain_zero = p.fixed ? false : s.zero[1] == sign_mask(f) && f.is_signed;
  if (p.fixed && policy.saturation == Saturation::wrap) {
    p.wraps = p.has_sign = true;
    p.is_signed = f.is_signed;
    p.most[0] = p.most[1] = 0xFFFFFFFF;
    p.limit = std::numeric_limits<float>::max();
  }
  p.plain_infinity = s.infinite[0] == s.beyond[0] && s.infinite[1] == s.beyond[1];
  return p;
}

}  // namespace

const ArrayKernels& array_kernels(Isa isa) {
#if defined(__x86_64__)
  if (isa >= Isa::avx512) return avx512_kernels();
  if (isa >= Isa::avx2) return avx2_kernels();
#endif
  return portable_kernels();
}

// The largest finite value, and the power of two above it, leave room for the magic number above them.
bool has_magic(const ElementFormat& f, const CastPolicy& policy) {
  return policy.rounding == Rounding::nearest_even && f.kind == ElementKind::floating && f.is_signed &&
         f.mantissa_bits >= 1 && has_steps(f) &&
         (f.bias == 127 || (f.bias + f.mantissa_bits <= 127 && f.max_exponent() + 1 + 23 - f.mantissa_bits <= 127));
}

MagicCast magic_plan(const ElementFormat& f, const CastPolicy& policy) {
  MagicCast p = {};
  const float least_normal = std::ldexp(1.0f, 1 - f.bias);
  p.least_exponent = float_bits(least_normal);
  p.drop = 23 - f.mantissa_bits;
  p.gap = static_cast<uint32_t>(p.drop) << 23;
  p.same_exponents = f.bias == 127;
  p.most = f.max_value();
  // Halfway to the next code, which an odd one gives up to it.
  const float half = p.most + std::ldexp(1.0f, f.max_exponent() - f.mantissa_bits - 1);
  p.beyond_from = (max_magnitude(f) & 1) != 0 ? half : std::nextafter(half, std::numeric_limits<float>::infinity());
  p.specials = specials_of(f, policy);
  p.plain = p.specials.beyond_value[0] == p.most && p.specials.infinite_value[0] == p.most;
  p.signed_zero = f.nan != NanKind::negative_zero;
  p.code_offset = (0u - (static_cast<uint32_t>(128 - f.bias) << f.mantissa_bits)) & 0xFFFFu;
  p.sign_shift = 32 - f.bits;
  p.sign_code = sign_mask(f);
  return p;
}

bool has_fixed(const ElementFormat& f, const CastPolicy& policy) {
  return is_fixed(f) && policy.rounding == Rounding::nearest_even && policy.saturation != Saturation::wrap;
}

FixedCast fixed_plan(const ElementFormat& f) {
  const int fraction = f.kind == ElementKind::fixed ? f.fraction_bits : 0;
  FixedCast p;
  p.scale = std::ldexp(1.0f, fraction);
  p.quantum = std::ldexp(1.0f, -fraction);
  p.low = f.min_value() * p.scale;
  p.high = f.max_value() * p.scale;
  p.code_mask = f.code_count() - 1;
  return p;
}

namespace {

// Of more mantissa bits too few are dropped: quick_result would be in doubt too often.
bool has_carry(const ElementFormat& f, const CastPolicy& policy) {
  const bool rule = policy.rounding == Rounding::stochastic ||
                    (policy.rounding == Rounding::stochastic_b && policy.random_bits < 32);
  return rule && f.kind == ElementKind::floating && f.is_signed && f.mantissa_bits <= 11 && has_steps(f) &&
         (f.bias == 127 || f.bias + f.mantissa_bits <= 127);
}

CarryCast carry_plan(const ElementFormat& f, const CastPolicy& policy, uint64_t seed) {
  CarryCast p = {};
  p.unused = 32 - policy.random_bits;
  p.half = policy.rounding == Rounding::stochastic_b ? 1u << (31 - policy.random_bits) : 0;
  p.drop = 23 - f.mantissa_bits;
  p.spare = 32 - p.drop;
  p.kept = ~((uint32_t{1} << p.drop) - 1);
  p.same_exponents = f.bias == 127;
  p.least_normal = p.same_exponents ? 0x00800000u : float_bits(std::ldexp(1.0f, 1 - f.bias));
  p.code_offset = static_cast<uint32_t>(127 - f.bias) << f.mantissa_bits;
  p.quantum = std::ldexp(1.0f, 1 - f.bias - f.mantissa_bits);
  p.inverse_quantum = p.same_exponents ? 0 : std::ldexp(1.0f, f.bias + f.mantissa_bits - 1);
  p.most = float_bits(f.max_value());
  p.most_code = max_magnitude(f);
  p.most_value = f.max_value();
  p.least_value = bits_float(p.least_normal);
  p.least_code = 1u << f.mantissa_bits;
  p.sign_shift = 32 - f.bits;
  p.sign_code = sign_mask(f);
  p.seed = seed;
  p.signed_zero = f.nan != NanKind::negative_zero;
  const Specials& s = p.specials = specials_of(f, policy);
  p.plain = s.beyond[0] == p.most_code && s.infinite[0] == p.most_code;
  return p;
}

PositCast posit_plan(const ElementFormat& f, const CastPolicy& policy, uint64_t seed) {
  PositCast p = {};
  p.bits = f.bits;
  p.exponent_bits = *f.codebook->posit_exponent_bits;
  p.subnormals = !has_posit_values(f);
  p.nearest = policy.rounding <= Rounding::nearest_odd;
  p.plain = policy.rounding == Rounding::nearest_even;
  p.rules = rules_of(policy.rounding == Rounding::jam ? Rounding::to_odd : policy.rounding);
  p.chance = chance_of(policy, seed);
  for (const bool negative : {false, true}) p.infinite[negative] = encode(f, negative ? -HUGE_VAL : HUGE_VAL, policy);
  p.nan = encode(f, std::nan(""), policy);
  return p;
}

}  // namespace

std::optional<WordDecode> word_decode(const ElementFormat& f) {
  if (f.kind != ElementKind::floating || !f.is_signed || f.bits <= 8 || f.bits > 16 || !has_steps(f)) return {};
  // Steps of subnormals are normal floats.
  if (f.bias != 127 && f.bias + f.mantissa_bits > 127) return {};
  constexpr uint32_t kNone = 0x7FFFFFFF;
  WordDecode p = {};
  p.magnitude_mask = sign_mask(f) - 1;
  p.drop = 23 - f.mantissa_bits;
  p.sign_shift = 32 - f.bits;
  p.offset = static_cast<uint32_t>(127 - f.bias) << 23;
  p.least_normal = 1u << f.mantissa_bits;
  p.quantum = std::ldexp(1.0f, 1 - f.bias - f.mantissa_bits);
  p.same_exponents = f.bias == 127;
  p.infinity = infinity_code(f).value_or(kNone);
  p.last_number = f.has_infinity ? p.infinity : max_magnitude(f);
  p.nan_zero = f.nan == NanKind::negative_zero ? sign_mask(f) : kNone;
  return p;
}

bool has_posit_values(const ElementFormat& f) {
  return f.kind == ElementKind::codebook && f.codebook->posit_exponent_bits &&
         (f.bits - 2) << *f.codebook->posit_exponent_bits <= 126;
}

namespace {

Way make_way(const ElementFormat& f, const CastPolicy& policy, uint64_t seed, Numbers numbers) {
  const bool doubles = numbers == Numbers::doubles;
  const bool chance = is_stochastic(policy.rounding);
  // A table is faster, where there is one.
  if (has_steps(f) || (has_gap(f) && (chance || f.bits > 8))) {
    // Codes that wrap have the lowest bits of what is far beyond.
    if (doubles && is_fixed(f) && policy.saturation == Saturation::wrap) return OneByOne{};
    if (has_fixed(f, policy)) return fixed_plan(f);
    if (has_magic(f, policy)) return magic_plan(f, policy);
    if (!doubles && has_carry(f, policy)) return carry_plan(f, policy, seed);
    return step_plan(f, policy, seed);
  }
  const bool is_posit = f.kind == ElementKind::codebook && f.codebook->posit_exponent_bits.has_value();
  if (is_posit && (has_posit_values(f) ? !(chance && doubles) : !chance && !doubles)) {
    return posit_plan(f, policy, seed);
  }
  // The least step of a float without even steps must lie well within those of f32.
  if (doubles &&
      (chance || f.kind != ElementKind::floating || !exact_in_float(f) || f.bias + f.mantissa_bits > 140)) {
    return OneByOne{};
  }
  if (has_table(f, policy)) return table_plan(f, policy);
  if (has_neighbours(f, policy)) return neighbour_plan(f, policy, seed);
  return OneByOne{};
}

}  // namespace

const Way& way_of(const ElementFormat& f, const CastPolicy& policy, uint64_t seed, Numbers numbers) {
  thread_local Recent<Way, ElementFormat, CastPolicy, uint64_t, Numbers> recent;
  return recent.find([&] { return make_way(f, policy, seed, numbers); }, f, policy, seed, numbers);
}

}  // namespace lowbit::formats

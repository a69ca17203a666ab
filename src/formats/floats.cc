// Floats by their fields: [u]eXmY[bB][variant][ftz|nosub], and those of IEEE P3109: binaryKpP{s,u}{f,e}.
#include <fmt/format.h>

#include "formats/codes.h"
#include "formats/families.h"

namespace lowbit::formats {
namespace {

// Suffixes of floats: which codes are NaN, and whether there are infinities.
struct Variant {
  std::string_view suffix;
  NanKind nan;
  bool has_infinity;
};
constexpr Variant kVariants[] = {{"fnuz", NanKind::negative_zero, false},
                                 {"fn", NanKind::all_ones, false},
                                 {"finite", NanKind::none, false},
                                 {"ieee", NanKind::ieee, true},
                                 {"nuz", NanKind::negative_zero, true},
                                 {"n", NanKind::all_ones, true},
                                 {"inf", NanKind::none, true}};

struct SubnormalSuffix {
  std::string_view suffix;
  Subnormals subnormals;
};
constexpr SubnormalSuffix kSubnormals[] = {{"ftz", Subnormals::zero}, {"nosub", Subnormals::binade}};

// The floats that OCP MX (and e2m2 by analogy) define without any code that is no number, with or without "fn".
bool finite_by_default(const ElementFormat& f) {
  const int shape = f.exponent_bits * 16 + f.mantissa_bits;
  return f.is_signed && (shape == 0x21 || shape == 0x22 || shape == 0x23 || shape == 0x32);
}

// What a float without a variant in its name is, and what "fn" makes of it.
void set_specials(ElementFormat& f, const Variant* written) {
  f.nan = f.is_signed ? NanKind::ieee : NanKind::all_ones;
  f.has_infinity = f.is_signed;
  if (written != nullptr) {
    f.nan = written->nan;
    f.has_infinity = written->has_infinity;
  }
  const bool plain = written == nullptr || (f.nan == NanKind::all_ones && !f.has_infinity);
  if (plain && finite_by_default(f)) {
    f.nan = NanKind::none;
    f.has_infinity = false;
  }
}

int standard_bias(const ElementFormat& f) {
  return (1 << (f.exponent_bits - 1)) - (f.nan == NanKind::negative_zero ? 0 : 1);
}

ElementParse parse_float(std::string_view text, bool is_signed) {
  Scanner scan(text);
  scan.take(is_signed ? "e" : "ue");
  const size_t exponent_at = scan.at();
  const auto exponent = scan.number();
  if (!exponent || !scan.take("m")) return unknown_element();
  const auto mantissa = scan.number();
  if (!mantissa) return unknown_element();
  std::optional<int> bias;
  if (scan.take("b")) {
    const bool negative = scan.take("-");
    if (!(bias = scan.number())) return unknown_element();
    if (negative) bias = -*bias;
  }
  const Variant* variant = nullptr;
  const size_t variant_at = scan.at();
  // "nosub" begins like a variant.
  for (const Variant& row : kVariants) {
    const bool other = text.substr(scan.at()).starts_with("nosub");
    if (variant == nullptr && !other && scan.take(row.suffix)) variant = &row;
  }
  ElementFormat f;
  for (const SubnormalSuffix& row : kSubnormals) {
    if (f.subnormals == Subnormals::gradual && scan.take(row.suffix)) f.subnormals = row.subnormals;
  }
  if (!scan.done()) return unknown_element();
  if (*exponent < 1 || *exponent > 15) return wrong_element(exponent_at, "1 to 15 exponent bits");
  if (*mantissa > 23) return wrong_element(exponent_at, "an element of at most 16 bits, or tf32 or f32");
  if (!is_signed && variant != nullptr && variant->nan == NanKind::negative_zero) {
    return wrong_element(variant_at, "another variant, as without a sign there is no -0");
  }
  f.is_signed = is_signed;
  f.exponent_bits = static_cast<uint8_t>(*exponent);
  f.mantissa_bits = static_cast<uint8_t>(*mantissa);
  f.bits = static_cast<uint8_t>(*exponent + *mantissa + (is_signed ? 1 : 0));
  f.has_zero = is_signed || *mantissa > 0;
  if (!f.has_zero && f.subnormals != Subnormals::gradual) {
    return wrong_element(variant_at, "no word on subnormal numbers, as there is not even a zero");
  }
  set_specials(f, variant);
  f.bias = static_cast<int16_t>(bias.value_or(standard_bias(f)));
  if (const char* defect = element_defect(f)) return wrong_element(0, defect);
  return found_element(f);
}

// The format of IEEE P3109 with K bits and precision P (4.0, section 4): bias 2^(K-P-1) with a sign, 2^(K-P) without.
ElementFormat p3109(int k, int p, bool is_signed, bool extended) {
  ElementFormat f;
  f.is_signed = is_signed;
  f.bits = static_cast<uint8_t>(k);
  f.mantissa_bits = static_cast<uint8_t>(p - 1);
  f.exponent_bits = static_cast<uint8_t>(k - p + (is_signed ? 0 : 1));
  f.bias = static_cast<int16_t>(1 << (f.exponent_bits - 1));
  f.nan = is_signed ? NanKind::negative_zero : NanKind::all_ones;
  f.has_infinity = extended;
  return f;
}

// Which P3109 format this is; empty where it is none.
std::string p3109_name(const ElementFormat& f) {
  const int precision = f.mantissa_bits + 1;
  if (f.bits < 3 || f.bits > 15 || !(p3109(f.bits, precision, f.is_signed, f.has_infinity) == f)) return {};
  return fmt::format("binary{}p{}{}{}", f.bits, precision, f.is_signed ? 's' : 'u', f.has_infinity ? 'e' : 'f');
}

}  // namespace

ElementParse parse_signed_float(std::string_view text) { return parse_float(text, true); }
ElementParse parse_unsigned_float(std::string_view text) { return parse_float(text, false); }

ElementParse parse_binary(std::string_view text) {
  Scanner scan(text);
  scan.take("binary");
  const size_t k_at = scan.at();
  const auto k = scan.number();
  if (!k || !scan.take("p")) return unknown_element();
  const size_t p_at = scan.at();
  const auto p = scan.number();
  if (!p) return unknown_element();
  const bool is_unsigned = scan.take("u");
  if (!is_unsigned && !scan.take("s")) return wrong_element(scan.at(), "s or u behind the precision");
  const bool finite = scan.take("f");
  if (!finite && !scan.take("e")) return wrong_element(scan.at(), "f or e, the last letter");
  if (!scan.done()) return unknown_element();
  if (*k < 3 || *k > 15) return wrong_element(k_at, "3 to 15 bits");
  const int most = is_unsigned ? *k : *k - 1;
  if (*p < 1 || *p > most) return wrong_element(p_at, fmt::format("a precision of 1 to {}", most));
  const ElementFormat f = p3109(*k, *p, !is_unsigned, !finite);
  if (const char* defect = element_defect(f)) return wrong_element(0, defect);
  return found_element(f);
}

std::string print_float(const ElementFormat& f) {
  const std::string published = p3109_name(f);
  // Those with a sign and without infinities are the fnuz floats, better known so.
  if (!published.empty() && (!f.is_signed || f.has_infinity)) return published;
  std::string base = fmt::format("{}e{}m{}", f.is_signed ? "" : "u", f.exponent_bits, f.mantissa_bits);
  if (f.bias != standard_bias(f)) base += fmt::format("b{}", f.bias);
  std::string_view suffix, subnormals;
  for (const Variant& row : kVariants) {
    if (row.nan == f.nan && row.has_infinity == f.has_infinity) suffix = row.suffix;
  }
  for (const SubnormalSuffix& row : kSubnormals) {
    if (row.subnormals == f.subnormals) subnormals = row.suffix;
  }
  ElementFormat bare = f;
  set_specials(bare, nullptr);
  // A name such as e8m0 may hide the bare spelling.
  const bool hidden = subnormals.empty() && find_named_element(base) != nullptr;
  if (bare.nan == f.nan && bare.has_infinity == f.has_infinity && !hidden) suffix = {};
  return base + std::string(suffix) + std::string(subnormals);
}

}  // namespace lowbit::formats

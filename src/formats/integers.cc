// Integers and fixed point: [u]intN, [u]fixN.F, with sign and magnitude (sm) or without the most negative value
// (sym); bipolarN.
#include <fmt/format.h>

#include <cmath>

#include "formats/codebook.h"
#include "formats/families.h"

namespace lowbit::formats {
namespace {

ElementFormat whole_number(ElementKind kind, bool is_signed, int bits, int fraction) {
  ElementFormat f;
  f.kind = kind;
  f.is_signed = is_signed;
  f.bits = static_cast<uint8_t>(bits);
  f.exponent_bits = f.mantissa_bits = 0;
  f.bias = 0;
  f.nan = NanKind::none;
  f.has_infinity = false;
  f.fraction_bits = static_cast<uint8_t>(fraction);
  return f;
}

// The codes of N bits as sign and magnitude; that of -0 is never made.
ElementFormat sign_magnitude(std::string name, int bits, int fraction) {
  std::vector<double> values;
  const int half = 1 << (bits - 1);
  for (int code = 0; code < 2 * half; ++code) {
    values.push_back(std::ldexp(code < half ? code : half - code, -fraction));
  }
  return make_codebook(std::move(name), static_cast<uint8_t>(bits), std::move(values));
}

// Two's complement; the code of -2^(N-1) keeps its value and is never made.
ElementFormat symmetric(std::string name, int bits, int fraction) {
  std::vector<double> values;
  const int half = 1 << (bits - 1);
  for (int code = 0; code < 2 * half; ++code) {
    values.push_back(std::ldexp(code < half ? code : code - 2 * half, -fraction));
  }
  CodebookRules rules;
  rules.unused = {static_cast<uint32_t>(half)};
  return make_codebook(std::move(name), static_cast<uint8_t>(bits), std::move(values), std::move(rules));
}

ElementParse parse_whole(std::string_view text, std::string_view prefix, ElementKind kind, bool is_signed) {
  Scanner scan(text);
  scan.take(prefix);
  const size_t bits_at = scan.at();
  const auto bits = scan.number();
  if (!bits) return unknown_element();
  std::optional<int> fraction = 0;
  size_t fraction_at = scan.at();
  if (kind == ElementKind::fixed) {
    if (!scan.take(".")) return unknown_element();
    fraction_at = scan.at();
    if (!(fraction = scan.number())) return unknown_element();
  }
  const bool sm = is_signed && scan.take("sm");
  const bool sym = is_signed && !sm && scan.take("sym");
  if (!scan.done()) return unknown_element();
  if (*bits < 1 || *bits > 16) return wrong_element(bits_at, "1 to 16 bits");
  if (*fraction > 32) return wrong_element(fraction_at, "0 to 32 bits below the point");
  if ((sm || sym) && *bits < 2) return wrong_element(bits_at, "2 to 16 bits");
  if (sm) return found_element(sign_magnitude(std::string(text), *bits, *fraction));
  if (sym) return found_element(symmetric(std::string(text), *bits, *fraction));
  return found_element(whole_number(kind, is_signed, *bits, *fraction));
}

}  // namespace

ElementParse parse_int(std::string_view text) { return parse_whole(text, "int", ElementKind::integer, true); }
ElementParse parse_uint(std::string_view text) { return parse_whole(text, "uint", ElementKind::integer, false); }
ElementParse parse_fix(std::string_view text) { return parse_whole(text, "fix", ElementKind::fixed, true); }
ElementParse parse_ufix(std::string_view text) { return parse_whole(text, "ufix", ElementKind::fixed, false); }

ElementParse parse_bipolar(std::string_view text) {
  Scanner scan(text);
  scan.take("bipolar");
  const size_t bits_at = scan.at();
  const auto bits = scan.number();
  if (!bits || !scan.done()) return unknown_element();
  if (*bits < 1 || *bits > 8) return wrong_element(bits_at, "1 to 8 bits");
  std::vector<double> values;
  for (int code = 0; code < 1 << *bits; ++code) values.push_back(2 * code + 1 - (1 << *bits));
  return found_element(make_codebook(std::string(text), static_cast<uint8_t>(*bits), std::move(values)));
}

}  // namespace lowbit::formats

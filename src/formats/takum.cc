// Takums (Hunhold 2024, arXiv 2404.18603 and 2408.10594): takumN is the linear one (a float), takumlogN the
// logarithmic one (to the base sqrt(e)).
//
// Behind the sign S a direction D, three bits R, r = R (D = 1) or 7 - R (D = 0) bits of the characteristic C and the
// mantissa M; what a short string lacks is 0. c = 2^r - 1 + C (D = 1) or C + 1 - 2^(r + 1) (D = 0), m = M / 2^(bits
// of M). Positive values: (1 + m) 2^c, or sqrt(e)^(c + m). Negative codes are the two's complement.
//
// sqrt(e)^l is irrational but for l = 0: the values are the nearest doubles. Rounding is that of the bit string; what
// lies between two logarithmic takums, sqrt(e)^l again, is no rational number, so that nothing ties.
#include <fmt/format.h>

#include "formats/families.h"
#include "formats/powers.h"
#include "formats/tapered.h"

namespace lowbit::formats {
namespace {

// c + m of a positive code, in units of 2^-12: exact for at most 17 bits.
constexpr int kFractionBits = 12;

int32_t characteristic_and_mantissa(uint32_t code, int bits) {
  const uint32_t string = code << (32 - bits);
  const bool direction = (string >> 30 & 1) != 0;
  const auto field = static_cast<int>(string >> 27 & 7);
  const int r = direction ? field : 7 - field;
  const int32_t least = direction ? (1 << r) - 1 : 1 - (2 << r);
  // Behind the field 27 bits, of which r stand above the point of c + m.
  const auto rest = static_cast<int32_t>((string & ((1u << 27) - 1)) >> (27 - r - kFractionBits));
  return least * (1 << kFractionBits) + rest;
}

Exact linear_value(uint32_t code, int bits) {
  const int32_t l = characteristic_and_mantissa(code, bits);
  constexpr int32_t kOne = 1 << kFractionBits;
  const int32_t c = l >> kFractionBits;
  return Exact::finite(false, static_cast<uint64_t>(kOne + (l - c * kOne)), int64_t{c} - kFractionBits);
}

Exact logarithmic_value(uint32_t code, int bits) {
  return exp_of(characteristic_and_mantissa(code, bits), kFractionBits + 1);
}

ElementParse parse(std::string_view text, std::string_view prefix, bool logarithmic) {
  Scanner scan(text);
  scan.take(prefix);
  const size_t bits_at = scan.at();
  const auto bits = scan.number();
  if (!bits || !scan.done()) return unknown_element();
  if (*bits < 2 || *bits > 16) return wrong_element(bits_at, "a takum of 2 to 16 bits");
  CodebookRules rules;
  rules.irrational = logarithmic;
  return found_element(
      make_tapered(std::string(text), *bits, std::move(rules), logarithmic ? logarithmic_value : linear_value));
}

}  // namespace

ElementParse parse_takum(std::string_view text) { return parse(text, "takum", false); }
ElementParse parse_takumlog(std::string_view text) { return parse(text, "takumlog", true); }

}  // namespace lowbit::formats

// Posits (Posit Standard 2022; Gustafson and Yonemoto 2017): positN is the standard's (ES 2), positN.ES any.
//
// Behind the sign: a run of equal bits (k zeros: regime -k, k ones: regime k - 1) and its end, ES exponent bits,
// fraction; bits beyond the end are 0. Value 2^(regime * 2^ES + exponent) * (1 + fraction). Negative codes are the
// two's complement. Rounding is that of the bit string: nearest changes at the posit with one bit more, never to
// zero.
#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "base/bits.h"
#include "formats/codebook.h"
#include "formats/families.h"
#include "formats/tapered.h"

namespace lowbit::formats {
namespace {

// The value of a positive code (0 < code < 2^(n-1)) of a posit of n bits.
Exact positive_posit(uint32_t code, int n, int es) {
  uint32_t body = code << (33 - n);  // the sign shifted out; n - 1 bits from the top
  int left = n - 1;
  const bool ones = (body >> 31) != 0;
  const int run = std::min(ones ? std::countl_one(body) : std::countl_zero(body), left);
  const int regime = ones ? run - 1 : -run;
  left = std::max(left - run - 1, 0);
  body = run + 1 < 32 ? body << (run + 1) : 0;
  const int exponent_bits = std::min(es, left);
  const int exponent = es == 0 ? 0 : static_cast<int>(body >> (32 - es));  // missing bits are 0
  body = es < 32 ? body << es : 0;
  left -= exponent_bits;
  const uint64_t significand = (uint64_t{1} << 32) | (left > 0 ? body : 0);
  return Exact::finite(false, significand, int64_t{regime} * (int64_t{1} << es) + exponent - 32);
}

ElementFormat make_posit(int n, int es) {
  const std::string name = es == 2 ? fmt::format("posit{}", n) : fmt::format("posit{}.{}", n, es);
  CodebookRules rules;
  rules.posit_exponent_bits = static_cast<uint8_t>(es);
  return make_tapered(name, n, std::move(rules),
                      [es](uint32_t code, int bits) { return positive_posit(code, bits, es); });
}

}  // namespace

uint32_t nearest_posit(int bits, int exponent_bits, double x) {
  const uint64_t raw = double_bits(x);
  const uint64_t magnitude = raw & ~(uint64_t{1} << 63);
  if (magnitude == 0) return 0;
  // Exponent and fraction of a double lie side by side as those of a posit do. 1024 more, a multiple of every 2^ES,
  // keeps the exponent positive; numbers below the normal ones are below every posit.
  const uint64_t t = magnitude + (uint64_t{1} << 52);
  const uint64_t tail = (t << (12 - exponent_bits)) >> 1;
  const int regime = static_cast<int>(t >> (52 + exponent_bits)) - (1024 >> exponent_bits);
  const uint64_t ones = regime >= 0 ? ~uint64_t{0} : 0;
  const int run = std::min(regime >= 0 ? regime + 1 : -regime, bits);
  // The end of the run is the top bit; bits of the run move in from above, inverted where they are ones.
  uint64_t string = ((tail ^ ((uint64_t{1} << 63) | ones)) >> run) ^ ones;
  string |= (tail << (64 - run)) != 0 ? 1 : 0;
  const int drop = 65 - bits;
  const uint64_t odd = (string >> drop) & 1;
  const uint64_t rest = string << (bits - 1);
  const uint64_t up = rest > (uint64_t{1} << 63) - odd ? 1 : 0;
  const uint32_t half = 1u << (bits - 1);
  const uint32_t code = std::clamp(static_cast<uint32_t>((string >> drop) + up), 1u, half - 1);
  return (raw >> 63) != 0 ? 2 * half - code : code;
}

ElementParse parse_posit(std::string_view text) {
  Scanner scan(text);
  scan.take("posit");
  const size_t bits_at = scan.at();
  const auto bits = scan.number();
  if (!bits) return unknown_element();
  int es = 2;
  const bool written = scan.take(".") || scan.take("_");
  const size_t es_at = scan.at();
  if (written) {
    const auto number = scan.number();
    if (!number) return unknown_element();
    es = *number;
  }
  if (!scan.done()) return unknown_element();
  if (*bits < 2 || *bits > 16) return wrong_element(bits_at, "a posit of 2 to 16 bits");
  // Beyond, the largest values leave the range of double.
  if (es > 6) return wrong_element(es_at, "0 to 6 exponent bits");
  if ((*bits - 1) << es > 1000)
    return wrong_element(es_at, "fewer exponent bits, as the range would leave that of double");
  return found_element(make_posit(*bits, es));
}

}  // namespace lowbit::formats

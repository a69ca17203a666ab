// powNaA: integers under a power law (PowerQuant, arXiv 2301.09858; NUPES, arXiv 2308.05600). A number x is stored as
// the integer nearest to |x|^A times a scale, so that code q (two's complement) means sign(q) (|q| / Q)^(1 / A) with
// Q = 2^(N - 1) - 1: A = 1 is an integer, smaller A puts more values near zero. Code 10...0 is never made.
//
// The values are the doubles nearest to real numbers that are mostly irrational. Rounding is to the nearest value,
// not to the nearest q of the papers, as the error counts in the values.
#include <fmt/format.h>

#include "formats/codebook.h"
#include "formats/families.h"
#include "formats/powers.h"

namespace lowbit::formats {
namespace {

constexpr int kLeast = 5, kMost = 400;  // hundredths

ElementFormat make_power_law(int bits, int hundredths) {
  const uint32_t half = 1u << (bits - 1), most = half - 1;
  std::vector<double> values(size_t{2} * half, 0.0);
  for (uint32_t q = 1; q <= most; ++q) {
    values[q] = root_of_ratio(q, most, hundredths).to_double();
    values[2 * half - q] = -values[q];
  }
  values[half] = -1;
  CodebookRules rules;
  rules.unused = {half};
  rules.irrational = true;
  const std::string exponent = fmt::format("{}", hundredths / 100.0);
  return make_codebook(fmt::format("pow{}a{}", bits, exponent), static_cast<uint8_t>(bits), std::move(values),
                       std::move(rules));
}

}  // namespace

ElementParse parse_power_law(std::string_view text) {
  Scanner scan(text);
  scan.take("pow");
  const size_t bits_at = scan.at();
  const auto bits = scan.number();
  if (!bits || !scan.take("a")) return unknown_element();
  const size_t exponent_at = scan.at();
  const auto hundredths = scan.hundredths();
  if (!hundredths || !scan.done()) return unknown_element();
  if (*bits < 2 || *bits > 16) return wrong_element(bits_at, "2 to 16 bits");
  if (*hundredths < kLeast || *hundredths > kMost) {
    return wrong_element(exponent_at, fmt::format("an exponent from {} to {}", kLeast / 100.0, kMost / 100.0));
  }
  return found_element(make_power_law(*bits, *hundredths));
}

}  // namespace lowbit::formats

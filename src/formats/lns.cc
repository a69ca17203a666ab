// lnsN.R: logarithmic numbers. Behind the sign an exponent of N - 1 bits, two's complement, R of them below the
// point: value 2^(k / 2^R). The most negative exponent is zero, with the sign NaN (as lns<N, R> of the Universal
// library).
//
// The values are irrational but for whole exponents: those of the element are the nearest doubles. Nearest goes by
// the logarithm, as in Universal: it changes at 2^((2k + 1) / 2^(R + 1)), the geometric mean, which is irrational, so
// that no number ties. Between zero and the least magnitude it changes where the exponent of zero would have it.
// lnsN.Rlin goes by the distance of the values.
#include <fmt/format.h>

#include <limits>

#include "formats/codebook.h"
#include "formats/families.h"
#include "formats/powers.h"

namespace lowbit::formats {
namespace {

ElementFormat make_lns(std::string name, int bits, int fraction, bool linear) {
  const int32_t half = 1 << (bits - 1), zero = -(half / 2), end = half / 2;  // of the exponents
  std::vector<double> values(static_cast<size_t>(2 * half), 0.0);
  for (int32_t k = zero + 1; k < end; ++k) {
    const auto code = static_cast<size_t>(k & (half - 1));
    values[code] = exp2_of(k, fraction).to_double();
    values[code + static_cast<size_t>(half)] = -values[code];
  }
  values[static_cast<size_t>(half + half / 2)] = std::numeric_limits<double>::quiet_NaN();
  CodebookRules rules;
  rules.irrational = true;
  if (!linear) {
    for (int32_t k = end - 2; k >= zero; --k) {
      rules.middles.push_back(exp2_of(2 * k + 1, fraction + 1));
      rules.middles.back().negative = true;
    }
    for (int32_t k = zero; k <= end - 2; ++k) rules.middles.push_back(exp2_of(2 * k + 1, fraction + 1));
  }
  return make_codebook(std::move(name), static_cast<uint8_t>(bits), std::move(values), std::move(rules));
}

}  // namespace

ElementParse parse_lns(std::string_view text) {
  Scanner scan(text);
  scan.take("lns");
  const size_t bits_at = scan.at();
  const auto bits = scan.number();
  if (!bits || !scan.take(".")) return unknown_element();
  const size_t fraction_at = scan.at();
  const auto fraction = scan.number();
  if (!fraction) return unknown_element();
  const bool linear = scan.take("lin");
  if (!scan.done()) return unknown_element();
  if (*bits < 2 || *bits > 16) return wrong_element(bits_at, "a logarithmic number of 2 to 16 bits");
  if (*fraction >= *bits) {
    return wrong_element(fraction_at, fmt::format("at most {} bits of the exponent below the point", *bits - 1));
  }
  if (*bits - 2 - *fraction > 9) {
    return wrong_element(fraction_at, "more bits below the point, as the range would leave that of double");
  }
  return found_element(make_lns(std::string(text), *bits, *fraction, linear));
}

}  // namespace lowbit::formats

#include "formats/codebook.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <memory>
#include <utility>

#include "base/check.h"

namespace lowbit::formats {
namespace {

Exact middle_of(double a, double b) {
  Exact sum = add(Exact::of(a), Exact::of(b));
  if (!sum.is_zero()) --sum.exponent;
  return sum;
}

// The least double t such that every double x >= t takes the upper of two values under nearest_even.
double threshold(const Exact& middle, bool tie_goes_up) {
  const double t = middle.to_double();
  const int side = compare(Exact::of(t), middle);
  return side > 0 || (side == 0 && tie_goes_up) ? t : std::nextafter(t, HUGE_VAL);
}

void add_values(const std::vector<double>& values, const std::vector<uint32_t>& unused, CodebookIndex& index) {
  std::vector<uint32_t> order;
  for (uint32_t code = 0; code < values.size(); ++code) {
    if (std::isnan(values[code])) {
      LOWBIT_CHECK(!index.nan);
      index.nan = code;
    } else if (std::find(unused.begin(), unused.end(), code) == unused.end()) {
      LOWBIT_CHECK(std::isfinite(values[code]));
      order.push_back(code);
    }
  }
  LOWBIT_CHECK(!order.empty());
  std::sort(order.begin(), order.end(),
            [&](uint32_t a, uint32_t b) { return values[a] != values[b] ? values[a] < values[b] : a < b; });
  for (const uint32_t code : order) {
    if (!index.values.empty() && index.values.back() == values[code]) continue;
    index.values.push_back(values[code]);
    index.codes.push_back(code);
  }
}

CodebookIndex make_index(const std::vector<double>& values, CodebookRules& rules) {
  CodebookIndex index;
  add_values(values, rules.unused, index);
  if (rules.middles.empty()) {
    for (size_t i = 0; i + 1 < index.values.size(); ++i) {
      rules.middles.push_back(middle_of(index.values[i], index.values[i + 1]));
    }
  }
  LOWBIT_CHECK(rules.middles.size() + 1 == index.values.size());
  index.middles = std::move(rules.middles);
  index.thresholds.assign(std::bit_ceil(index.values.size()) - 1, std::numeric_limits<double>::quiet_NaN());
  for (size_t i = 0; i < index.middles.size(); ++i) {
    index.thresholds[i] = threshold(index.middles[i], index.upper_has_parity(i, 0));
  }
  const auto nearest = std::min_element(index.values.begin(), index.values.end(),
                                        [](double a, double b) { return std::fabs(a) < std::fabs(b); });
  index.nearest_zero = index.codes[static_cast<size_t>(nearest - index.values.begin())];
  return index;
}

}  // namespace

ElementFormat make_codebook(std::string name, uint8_t bits, std::vector<double> values, CodebookRules rules) {
  LOWBIT_CHECK(bits >= 1 && bits <= 16 && !values.empty() && values.size() <= (size_t{1} << bits));
  ElementFormat f;
  f.kind = ElementKind::codebook;
  f.bits = bits;
  f.exponent_bits = f.mantissa_bits = 0;
  f.bias = 0;
  f.nan = NanKind::none;
  f.has_infinity = false;
  const auto posit = rules.posit_exponent_bits;
  CodebookIndex index = make_index(values, rules);
  f.codebook = std::make_shared<const Codebook>(Codebook{std::move(name), std::move(values), std::move(index), posit,
                                                         std::move(rules.unused), rules.irrational});
  return f;
}

}  // namespace lowbit::formats

#include "formats/tapered.h"

#include <limits>
#include <utility>

namespace lowbit::formats {

ElementFormat make_tapered(std::string name, int bits, CodebookRules rules, const PositiveValue& value) {
  const uint32_t half = 1u << (bits - 1);
  std::vector<double> values(size_t{2} * half, 0.0);
  for (uint32_t code = 1; code < half; ++code) {
    values[code] = value(code, bits).to_double();
    values[2 * half - code] = -values[code];
  }
  values[half] = std::numeric_limits<double>::quiet_NaN();
  // Above code 0, 1, ...: what lies between zero and the least value rounds away from zero.
  std::vector<Exact> middles = {Exact::zero()};
  for (uint32_t code = 1; code + 1 < half; ++code) middles.push_back(value(2 * code + 1, bits + 1));
  // Ascending: the negative values down to the least magnitude, zero, the positive ones.
  for (auto middle = middles.rbegin(); middle != middles.rend(); ++middle) {
    rules.middles.push_back(*middle);
    rules.middles.back().negative = !middle->is_zero();
  }
  rules.middles.insert(rules.middles.end(), middles.begin(), middles.end());
  return make_codebook(std::move(name), static_cast<uint8_t>(bits), std::move(values), std::move(rules));
}

}  // namespace lowbit::formats

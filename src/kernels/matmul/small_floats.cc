#include "kernels/matmul/small_floats.h"

#include <cmath>
#include <vector>

#include "base/bits.h"

namespace lowbit::kernels {

namespace {

using simd::SmallFloat;

bool same(float a, float b) { return float_bits(a) == float_bits(b) || (std::isnan(a) && std::isnan(b)); }

// The first magnitude from which on all values are NaN.
int32_t first_nan(std::span<const float> values, int32_t mask) {
  int32_t first = mask + 1;
  while (first > 0 && std::isnan(values[static_cast<size_t>(first - 1)])) --first;
  return first;
}

bool gives(const SmallFloat& f, std::span<const float> values) {
  for (size_t c = 0; c < values.size(); ++c) {
    if (!same(simd::small_float(static_cast<int32_t>(c), f), values[c])) return false;
  }
  return true;
}

}  // namespace

std::optional<SmallFloat> small_float_of(std::span<const float> values) {
  const auto count = static_cast<int32_t>(values.size());
  if (count < 2 || count > 256 || (count & (count - 1)) != 0) return std::nullopt;
  for (const bool is_signed : {false, true}) {
    const int32_t mask = (is_signed ? count / 2 : count) - 1;
    int sign_shift = 0;
    while (is_signed && (mask + 1) << sign_shift != INT32_MIN) ++sign_shift;
    for (int mantissa = 0; (1 << mantissa) <= mask; ++mantissa) {
      const float normal = values[size_t{1} << mantissa];  // the least
      const int shift = 23 - mantissa;
      const float factor = normal / bits_float(1u << 23);
      if (!(factor > 0.0f) || std::isinf(factor)) continue;
      for (const int32_t least : {0, 1 << 22}) {
        const SmallFloat f{
            mask, shift, least, factor, first_nan(values, mask), sign_shift, is_signed ? 0x80000000u : 0u};
        if (gives(f, values)) return f;
      }
    }
  }
  return std::nullopt;
}

std::optional<SmallFloat> scaled(const SmallFloat& f, int codes, float factor, float unit) {
  SmallFloat out = f;
  out.factor = f.factor * unit * factor;
  std::vector<float> values;
  for (int c = 0; c < codes; ++c) values.push_back(simd::small_float(c, f) * factor * unit);
  return gives(out, values) ? std::optional(out) : std::nullopt;
}

}  // namespace lowbit::kernels

#include "tensor/cast.h"

#include <algorithm>
#include <cmath>

namespace lowbit::tensor {

Status check_castable(const formats::Format& format) {
  LOWBIT_TRY(formats::check_rows_apart(format));
  const bool simple =
      format.is_plain() || (format.levels.size() == 1 && !format.has_minimum() && !format.has_zero_point() &&
                            format.levels[0].group != formats::kGroupTensor);
  if (simple) {
    const float least = format.element.min_value(), most = format.element.max_value();
    if (least < 0.0f && most > 0.0f) return {};
    return errorf(
        "format {} cannot be computed on the fly: its values go from {} to {}, and values of both signs come",
        formats::print(format), least, most);
  }
  return errorf("format {} cannot be computed on the fly: it needs one level of symmetric scales at most",
                formats::print(format));
}

float stored_scale(const formats::ElementFormat& stored, float ideal) {
  const formats::CastPolicy policy{stored.has_zero ? formats::Rounding::nearest_even : formats::Rounding::up, {}};
  return stored.bits == 32 ? ideal : stored.decode(formats::encode(stored, ideal, policy));
}

void cast_row(const formats::Format& format, int64_t cols, const float* x, float* out) {
  const formats::ElementFormat& element = format.element;
  if (element.bits == 32) {
    std::copy(x, x + cols, out);
    return;
  }
  const int64_t group = format.is_plain() || format.levels[0].group < 0 ? cols : format.levels[0].group;
  for (int64_t begin = 0; begin < cols; begin += group) {
    const int64_t end = std::min(begin + group, cols);
    float scale = 1.0f;
    if (!format.is_plain()) {
      float amax = 0.0f;
      for (int64_t i = begin; i < end; ++i) amax = std::max(amax, std::fabs(x[i]));
      scale = stored_scale(format.levels[0].scale, amax < 0x1p-100f ? 0.0f : amax / element.max_value());
    }
    for (int64_t i = begin; i < end; ++i) {
      // In double the quotient needs no second rounding that matters: it is rounded to at most 16 bits next.
      const double quotient = scale > 0.0f ? static_cast<double>(x[i]) / static_cast<double>(scale) : 0.0;
      const float value = element.decode(formats::encode(element, quotient));
      out[i] = format.is_plain() ? value : value * scale;
    }
  }
}

}  // namespace lowbit::tensor

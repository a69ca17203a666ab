#include "tensor/cast.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "base/check.h"
#include "formats/array.h"

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

namespace {

// Columns that share a scale.
int64_t columns_of_scale(const formats::Format& format, int64_t cols) {
  return format.is_plain() || format.levels[0].group < 0 ? cols : format.levels[0].group;
}

float scale_of(const formats::Format& format, std::span<const float> x) {
  if (format.is_plain()) return 1.0f;
  float amax = 0.0f;
  for (const float v : x) amax = std::max(amax, std::fabs(v));
  return stored_scale(format.levels[0].scale, amax < 0x1p-100f ? 0.0f : amax / format.element.max_value());
}

// In double the quotient needs no second rounding that matters: it is rounded to at most 16 bits next.
double quotient(float x, float scale) {
  return scale > 0.0f ? static_cast<double>(x) / static_cast<double>(scale) : 0.0;
}

// What encode() gives for integers in two's complement: nearest even, clamped, NaN to 0.
void encode_integers(int bits, std::span<const float> x, float scale, uint8_t* codes) {
  const double half = static_cast<double>(1 << (bits - 1)), magic = 0x1.8p52;
  for (size_t i = 0; i < x.size(); ++i) {
    double q = quotient(x[i], scale);
    q = q == q ? q : 0.0;
    q = std::min(std::max(q, -half), half - 1.0);
    codes[i] = static_cast<uint8_t>(static_cast<int32_t>((q + magic) - magic) & ((1 << bits) - 1));
  }
}

}  // namespace

void cast_row(const formats::Format& format, int64_t cols, const float* x, float* out) {
  const formats::ElementFormat& element = format.element;
  if (element.bits == 32) {
    std::copy(x, x + cols, out);
    return;
  }
  if (format.is_plain()) {
    const auto count = static_cast<size_t>(cols);
    return formats::cast_array(element, {x, count}, {out, count});
  }
  const int64_t group = columns_of_scale(format, cols);
  for (int64_t begin = 0; begin < cols; begin += group) {
    const int64_t end = std::min(begin + group, cols);
    const float scale = scale_of(format, {x + begin, x + end});
    for (int64_t i = begin; i < end; ++i) {
      out[i] = element.decode(formats::encode(element, quotient(x[i], scale))) * scale;
    }
  }
}

void encode_row(const formats::Format& format, int64_t cols, const float* x, uint8_t* codes, float* scales) {
  const formats::ElementFormat& element = format.element;
  LOWBIT_CHECK(element.bits <= 8);
  const int64_t group = columns_of_scale(format, cols);
  for (int64_t begin = 0; begin < cols; begin += group) {
    const std::span<const float> part(x + begin, static_cast<size_t>(std::min(group, cols - begin)));
    const float scale = scale_of(format, part);
    if (!format.is_plain()) scales[begin / group] = scale;
    if (element.is_integer() && element.is_signed) {
      encode_integers(element.bits, part, scale, codes + begin);
      continue;
    }
    if (format.is_plain()) {
      formats::encode_array(element, part, {codes, part.size()});
      continue;
    }
    for (size_t i = 0; i < part.size(); ++i) {
      codes[begin + static_cast<int64_t>(i)] =
          static_cast<uint8_t>(formats::encode(element, quotient(part[i], scale)));
    }
  }
}

}  // namespace lowbit::tensor

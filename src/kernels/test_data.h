// For tests of this room and those above it: random packed weights of any format, and activations in any format that
// can be computed on the fly, both made by plain scalar code.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <memory>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

#include "base/rng.h"
#include "kernels/matmul/matmul.h"
#include "tensor/cast.h"
#include "tensor/packed_oracle.h"

namespace lowbit::kernels::test {

inline formats::Format format_of(std::string_view text) { return formats::parse_format(text).value(); }

// NaNs are one value: their payload is nobody's contract.
inline bool same_bits(float a, float b) {
  return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b) || (a != a && b != b);
}

// The first place where two arrays differ, or -1.
inline int64_t first_difference(std::span<const float> a, std::span<const float> b) {
  if (a.size() != b.size()) return 0;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!same_bits(a[i], b[i])) return static_cast<int64_t>(i);
  }
  return -1;
}

inline std::vector<float> normals(int64_t count, Rng& rng) {
  std::vector<float> out(static_cast<size_t>(count));
  for (float& v : out) v = static_cast<float>(rng.normal());
  return out;
}

// A code whose value is finite and below 2^30, where a few draws find one.
inline uint32_t tame_code(Rng& rng, const formats::ElementFormat& element) {
  uint32_t code = 0;
  for (int draw = 0; draw < 64; ++draw) {
    code = tensor::oracle::random_code(rng, element);
    if (std::fabs(element.decode(code)) < 0x1p30f) break;
  }
  return code;
}

// The code of a number near `target`; of integers any code but 0, since what they count is set by the next level.
inline uint32_t scale_code(Rng& rng, const formats::ElementFormat& element, double target) {
  if (element.is_integer()) return 1 + static_cast<uint32_t>(rng.below(element.code_count() - 1));
  const double value = target * (0.5 + rng.uniform());
  if (element.bits == 32) return std::bit_cast<uint32_t>(static_cast<float>(value));
  const uint32_t code = formats::encode(element, value);
  return element.decode(code) != 0.0f ? code : tame_code(rng, element);
}

// Random codes under scales that make the values of size `gain`, as far as the formats allow.
inline tensor::Codes random_codes(const formats::Format& format, int64_t rows, int64_t cols, Rng& rng,
                                  double gain = 1.0) {
  tensor::Codes out;
  double greatest = 0.0;
  for (int64_t i = 0; i < rows * cols; ++i) {
    out.codes.push_back(static_cast<uint16_t>(tame_code(rng, format.element)));
    greatest = std::max(greatest, std::fabs(static_cast<double>(format.element.decode(out.codes.back()))));
  }
  double target = gain / std::max(greatest, 1e-6);
  for (size_t i = 0; i < format.levels.size(); ++i) {
    const formats::ScaleLevel& level = format.levels[i];
    const bool last = i + 1 == format.levels.size();
    if (level.scale.is_integer()) target /= level.scale.code_count();
    std::vector<uint32_t> scales, minimums;
    for (int64_t j = 0; j < tensor::oracle::entries_of(level, rows, cols); ++j) {
      scales.push_back(scale_code(rng, level.scale, last ? target : 1.0));
      if (level.minimum) minimums.push_back(scale_code(rng, *level.minimum, last ? -0.01 * gain : 0.3));
      if (level.zero_point) minimums.push_back(tensor::oracle::random_code(rng, format.element));
    }
    out.scales.push_back(std::move(scales));
    out.minimums.push_back(std::move(minimums));
  }
  return out;
}

inline tensor::PackedMatrix random_packed(const formats::Format& format, int64_t rows, int64_t cols, Rng& rng,
                                          double gain = 1.0) {
  if (format.is_plain() && format.element.bits > 8) {
    std::vector<float> values = normals(rows * cols, rng);
    for (float& v : values) v *= static_cast<float>(gain);
    return tensor::pack_plain(format, rows, cols, values).value();
  }
  tensor::PackedMatrix packed = tensor::PackedMatrix::allocate(format, rows, cols).value();
  tensor::pack_rows(random_codes(format, rows, cols, rng, gain), 0, rows, packed);
  return packed;
}

// A matrix of one part per format, the rows divided evenly, in natural or shuffled order.
inline tensor::Weight random_weight(const std::vector<formats::Format>& formats, int64_t rows, int64_t cols,
                                    bool shuffled, Rng& rng, double gain = 1.0) {
  tensor::Weight weight;
  weight.shape = {rows, cols};
  const auto parts = static_cast<int64_t>(formats.size());
  for (int64_t i = 0; i < parts; ++i) {
    const int64_t part_rows = rows * (i + 1) / parts - rows * i / parts;
    if (part_rows > 0)
      weight.parts.push_back(random_packed(formats[static_cast<size_t>(i)], part_rows, cols, rng, gain));
  }
  if (!shuffled) return weight;
  weight.row_order.resize(static_cast<size_t>(rows));
  std::iota(weight.row_order.begin(), weight.row_order.end(), 0);
  for (size_t i = weight.row_order.size(); i > 1; --i)
    std::swap(weight.row_order[i - 1], weight.row_order[rng.below(i)]);
  return weight;
}

// Activations with the storage that they point to.
struct TestActivations {
  formats::Format format;
  std::vector<float> values, scales;
  std::vector<int8_t> codes;
  Activations view;
};

// Casts x [tokens][cols] to the format, as graph/interpreter.cc and tensor/cast.h define it.
inline std::unique_ptr<TestActivations> activations(const formats::Format& format, int64_t tokens, int64_t cols,
                                                    const std::vector<float>& x) {
  auto out = std::make_unique<TestActivations>();
  out->values.resize(x.size());
  out->format = format;
  out->view.format = &out->format;
  out->view.tokens = tokens;
  out->view.cols = cols;
  out->view.values = out->values.data();
  if (!is_integer_activation(format)) {
    for (int64_t t = 0; t < tokens; ++t) {
      tensor::cast_row(format, cols, x.data() + t * cols, out->values.data() + t * cols);
    }
    return out;
  }
  const formats::ScaleLevel& level = format.levels[0];
  const int64_t group = level.group > 0 ? std::min(level.group, cols) : cols, groups = (cols + group - 1) / group;
  const int64_t plane = (cols + 31) / 32 * 32, stride = plane * code_planes(format);
  const auto most = static_cast<float>(largest_code(format));
  out->codes.assign(static_cast<size_t>(tokens * stride), 0);
  for (int64_t t = 0; t < tokens; ++t) {
    for (int64_t g = 0; g < groups; ++g) {
      const int64_t begin = g * group, end = std::min(cols, begin + group);
      float amax = 0.0f;
      for (int64_t c = begin; c < end; ++c) amax = std::max(amax, std::fabs(x[static_cast<size_t>(t * cols + c)]));
      const float scale = tensor::stored_scale(level.scale, amax < 0x1p-100f ? 0.0f : amax / most);
      out->scales.push_back(scale);
      const float inverse = scale > 0.0f ? 1.0f / scale : 0.0f;
      for (int64_t c = begin; c < end; ++c) {
        float scaled = x[static_cast<size_t>(t * cols + c)] * inverse;
        scaled = scaled > -most ? scaled : -most;  // NaN too
        scaled = scaled < most ? scaled : most;
        int code = static_cast<int>(std::nearbyint(scaled));
        if (is_binary_activation(format)) code = x[static_cast<size_t>(t * cols + c)] > 0.0f ? 1 : -1;
        const int high = stride > plane ? static_cast<int>(std::nearbyint(static_cast<float>(code) / 128.0f)) : 0;
        if (stride > plane) out->codes[static_cast<size_t>(t * stride + plane + c)] = static_cast<int8_t>(high);
        out->codes[static_cast<size_t>(t * stride + c)] = static_cast<int8_t>(code - 128 * high);
        out->values[static_cast<size_t>(t * cols + c)] = static_cast<float>(code) * scale;
      }
    }
  }
  out->view.codes = out->codes.data();
  out->view.code_stride = stride;
  out->view.plane = stride > plane ? plane : 0;
  out->view.scales = out->scales.data();
  out->view.group = group;
  return out;
}

}  // namespace lowbit::kernels::test

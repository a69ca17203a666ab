#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "tensor/codes_block.h"
#include "tensor/element_table.h"
#include "tensor/gather.h"
#include "tensor/group_values.h"

namespace lowbit::tensor {
namespace {

// Scratch for one row, kept between calls of a thread.
struct RowScratch {
  void fit(const PackedMatrix& from) {
    codes.resize(from.format().element.bits <= 16 ? from.cols() : 0);
    scales.resize(value_groups(from));
    minimums.resize(from.format().has_minimum() ? scales.size() : 0);
    zero_points.resize(from.format().has_zero_point() ? scales.size() : 0);
  }

  std::vector<uint16_t> codes;
  std::vector<float> scales, minimums;
  std::vector<int16_t> zero_points;
};

void read_floats(const PackedMatrix& from, int64_t row, float* out) {
  const std::byte* in =
      from.bytes().data() + (row / kRowBlock * from.cols() * kRowBlock + row % kRowBlock) * sizeof(float);
  for (int64_t c = 0; c < from.cols(); ++c, in += kRowBlock * sizeof(float)) std::memcpy(out + c, in, sizeof(float));
}

// Values of the element alone, before any scale.
void element_values(const PackedMatrix& from, int64_t row, RowScratch& scratch, float* out) {
  if (from.format().element.bits == 32) return read_floats(from, row, out);
  unpack_codes_row(from, row, scratch.codes.data());
  const float* table = element_table(from.format().element);
  for (int64_t c = 0; c < from.cols(); ++c) out[c] = table[scratch.codes[c]];
}

void row_values(const PackedMatrix& from, int64_t row, RowScratch& scratch, float* out) {
  element_values(from, row, scratch, out);
  if (from.format().is_plain()) return;
  row_group_values(from, row, scratch.scales, scratch.minimums, scratch.zero_points);
  const int64_t group = value_group_columns(from);
  for (size_t g = 0; g < scratch.scales.size(); ++g) {
    const int64_t begin = static_cast<int64_t>(g) * group;
    const int64_t end = std::min(begin + group, from.cols());
    const float scale = scratch.scales[g];
    if (!scratch.minimums.empty()) {
      const float minimum = scratch.minimums[g];
      for (int64_t c = begin; c < end; ++c) out[c] = std::fma(out[c], scale, minimum);
    } else if (!scratch.zero_points.empty()) {
      // Integers of at most 16 bits: their difference is exact in float.
      const float zero = scratch.zero_points[g];
      for (int64_t c = begin; c < end; ++c) out[c] = (out[c] - zero) * scale;
    } else {
      for (int64_t c = begin; c < end; ++c) out[c] *= scale;
    }
  }
}

}  // namespace

void dequantize_rows(const PackedMatrix& from, int64_t row_begin, int64_t row_end, float* out) {
  LOWBIT_CHECK(0 <= row_begin && row_begin <= row_end && row_end <= from.rows());
  static thread_local RowScratch scratch;
  scratch.fit(from);
  for (int64_t row = row_begin; row < row_end; ++row)
    row_values(from, row, scratch, out + (row - row_begin) * from.cols());
}

void dequantize_row(const PackedMatrix& from, int64_t row, float* out) { dequantize_rows(from, row, row + 1, out); }

}  // namespace lowbit::tensor

#include "tensor/weight.h"

#include <algorithm>

#include "base/check.h"
#include "tensor/gather.h"

namespace lowbit::tensor {

Status check_weight(const Weight& weight) {
  if (weight.shape.empty() || weight.shape.size() > 3) {
    return errorf("a weight of {} dimensions; expected 1 to 3", weight.shape.size());
  }
  if (weight.parts.empty()) return errorf("a weight without parts; expected at least one");
  int64_t rows = 0;
  for (const PackedMatrix& part : weight.parts) {
    if (part.cols() != weight.cols()) {
      return errorf("a part of {} columns in a weight of {}", part.cols(), weight.cols());
    }
    rows += part.rows();  // each is below 2^52, so the sum of what fits in memory cannot overflow
  }
  if (rows != weight.rows()) return errorf("parts of {} rows together; expected {}", rows, weight.rows());
  if (weight.row_order.empty()) return {};
  if (static_cast<int64_t>(weight.row_order.size()) != rows) {
    return errorf("a row order of {} entries; expected {}", weight.row_order.size(), rows);
  }
  std::vector<bool> seen(rows, false);
  for (const int32_t row : weight.row_order) {
    if (row < 0 || row >= rows || seen[row]) {
      return errorf("row {} in a row order is beyond the {} rows or stands twice; expected each row once", row, rows);
    }
    seen[row] = true;
  }
  return {};
}

std::vector<int32_t> inverse_row_order(const Weight& weight) {
  std::vector<int32_t> inverse(weight.row_order.size());
  for (size_t i = 0; i < inverse.size(); ++i) inverse[weight.row_order[i]] = static_cast<int32_t>(i);
  return inverse;
}

void dequantize_row(const Weight& weight, std::span<const int32_t> inverse_order, int64_t row, float* out) {
  LOWBIT_CHECK(row >= 0 && row < weight.rows() && inverse_order.size() == weight.row_order.size());
  int64_t packed = inverse_order.empty() ? row : inverse_order[row];
  for (const PackedMatrix& part : weight.parts) {
    if (packed < part.rows()) return dequantize_row(part, packed, out);
    packed -= part.rows();
  }
  LOWBIT_CHECK(false && "the parts of a weight hold all of its rows");
}

std::vector<float> dequantize(const Weight& weight) {
  LOWBIT_CHECK(check_weight(weight).ok());
  const int64_t cols = weight.cols();
  std::vector<float> out(weight.rows() * cols);
  int64_t packed = 0;
  for (const PackedMatrix& part : weight.parts) {
    if (weight.row_order.empty()) {
      dequantize_rows(part, 0, part.rows(), out.data() + packed * cols);
    } else {
      for (int64_t row = 0; row < part.rows(); ++row) {
        dequantize_row(part, row, out.data() + weight.row_order[packed + row] * cols);
      }
    }
    packed += part.rows();
  }
  return out;
}

}  // namespace lowbit::tensor

#include "quant/round/row_tile.h"

#include <algorithm>
#include <cmath>

#include "kernels/gemm/gemm.h"

namespace lowbit::quant {

std::vector<float> column_importance(const MethodInput& in) {
  const auto cols = static_cast<size_t>(in.cols);
  if (in.second_moments.empty() && in.importance.empty()) return {};
  std::vector<double> h(cols);
  double mean = 0;
  for (size_t c = 0; c < cols; ++c) {
    const float x = in.second_moments.empty() ? in.importance[c] : in.second_moments[c * cols + c];
    h[c] = std::isfinite(x) && x > 0 ? static_cast<double>(x) : 0.0;
    mean += h[c] / static_cast<double>(cols);
  }
  if (!(mean > 0)) return {};
  // A column that was never active in calibration still counts a little.
  const double floor = (in.options.damping > 0 ? in.options.damping : 1e-3) * mean;
  std::vector<float> out(cols);
  for (size_t c = 0; c < cols; ++c) out[c] = static_cast<float>((h[c] + floor) / (mean + floor));
  return out;
}

MethodOutput make_output(const ScalePlan& plan, int64_t rows) {
  MethodOutput out;
  out.codes.codes.resize(static_cast<size_t>(rows * plan.cols()));
  const auto& levels = plan.format().levels;
  out.codes.scales.resize(levels.size());
  out.codes.minimums.resize(levels.size());
  for (size_t k = 0; k < levels.size(); ++k) {
    const auto entries = static_cast<size_t>(plan.is_tensor_level(k) ? 1 : rows * plan.groups(k));
    out.codes.scales[k].resize(entries);
    if (levels[k].minimum || levels[k].zero_point) out.codes.minimums[k].resize(entries);
  }
  out.weighted_error.resize(static_cast<size_t>(rows));
  out.squared_error.resize(static_cast<size_t>(rows));
  return out;
}

int64_t RowTile::load(const MethodInput& in, int64_t first_row, int64_t row_count) {
  first = first_row;
  rows = row_count;
  const auto size = static_cast<size_t>(rows * in.cols);
  weights.resize(size);
  errors.resize(size);
  values.resize(static_cast<size_t>(in.cols));
  scales.resize(static_cast<size_t>(rows));
  int64_t unusable = 0;
  const float* from = in.weights.data() + first * in.cols;
  for (size_t i = 0; i < size; ++i) {
    weights[i] = usable_weight(from[i]);
    unusable += weights[i] != from[i];  // NaN is unequal too
  }
  return unusable;
}

void times_second_moments(std::span<const float> moments, int64_t cols, Isa isa, RowTile& tile) {
  tile.product.assign(static_cast<size_t>(tile.rows * cols), 0.0f);
  kernels::gemm_chain(isa, tile.rows, cols, cols, tile.errors.data(), cols, moments.data(), cols, tile.product.data(),
                      cols);
}

void finish_tile(const MethodInput& in, const ScalePlan& plan, Isa isa, RowTile& tile, MethodOutput& out) {
  const int64_t cols = in.cols;
  for (int64_t r = 0; r < tile.rows; ++r) {
    const RowScales& scales = tile.scales[static_cast<size_t>(r)];
    const int64_t row = tile.first + r;
    for (size_t k = 0; k < plan.format().levels.size(); ++k) {
      if (plan.is_tensor_level(k) && row > 0) continue;
      const auto at = static_cast<size_t>(row * plan.groups(k));
      plan.scale_codes(scales, k, out.codes.scales[k].data() + at);
      if (!out.codes.minimums[k].empty()) plan.minimum_codes(scales, k, out.codes.minimums[k].data() + at);
    }
    plan.decode(scales, out.codes.codes.data() + row * cols, tile.values.data());
    double squared = 0;
    float* error = tile.errors.data() + r * cols;
    for (int64_t c = 0; c < cols; ++c) {
      error[c] = tile.weights[static_cast<size_t>(r * cols + c)] - tile.values[static_cast<size_t>(c)];
      squared += static_cast<double>(error[c]) * static_cast<double>(error[c]);
    }
    out.squared_error[static_cast<size_t>(row)] = squared;
  }
  if (!in.second_moments.empty()) times_second_moments(in.second_moments, cols, isa, tile);
  for (int64_t r = 0; r < tile.rows; ++r) {
    const auto row = static_cast<size_t>(tile.first + r);
    const float* error = tile.errors.data() + r * cols;
    double sum = 0;
    if (!in.second_moments.empty()) {
      const float* product = tile.product.data() + r * cols;
      for (int64_t c = 0; c < cols; ++c) sum += static_cast<double>(error[c]) * static_cast<double>(product[c]);
    } else if (!in.importance.empty()) {
      for (int64_t c = 0; c < cols; ++c) {
        const double h = in.importance[static_cast<size_t>(c)];
        sum += h * static_cast<double>(error[c]) * static_cast<double>(error[c]);
      }
    } else {
      sum = out.squared_error[row];
    }
    out.weighted_error[row] = sum;
  }
}

}  // namespace lowbit::quant

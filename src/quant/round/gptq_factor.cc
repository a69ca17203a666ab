#include "quant/round/gptq_factor.h"

#include <algorithm>
#include <cmath>
#include <eigen3/Eigen/Cholesky>
#include <mutex>
#include <numeric>

#include "base/check.h"

namespace lowbit::quant {
namespace {

// Eigen takes the sizes of its blocks, and so the order of its sums, from the caches of the processor it runs on.
// Fixed sizes give the same bits on every machine.
void fix_eigen_blocking() {
  static std::once_flag once;
  std::call_once(once, [] { Eigen::setCpuCacheSizes(32 << 10, 512 << 10, 4 << 20); });
}

constexpr int kMostRaises = 12;

}  // namespace

Result<GptqFactor> GptqFactor::make(std::span<const float> moments, int64_t cols, double damping, bool act_order) {
  LOWBIT_CHECK(cols > 0 && moments.size() == static_cast<size_t>(cols * cols));
  fix_eigen_blocking();
  GptqFactor out;
  out.cols_ = cols;
  out.act_order_ = act_order;
  const auto diagonal = [&](int64_t i) { return moments[static_cast<size_t>(i * cols + i)]; };
  for (size_t i = 0; i < moments.size(); ++i) {
    if (std::isfinite(moments[i])) continue;
    return errorf("second moments of {} columns have the value {} in row {}, column {}", cols, moments[i],
                  i / static_cast<size_t>(cols), i % static_cast<size_t>(cols));
  }
  for (int64_t i = 0; i < cols; ++i) {
    out.mean_ += static_cast<double>(diagonal(i)) / static_cast<double>(cols);
    out.dead_columns_ += diagonal(i) == 0 ? 1 : 0;
  }
  if (!(out.mean_ > 0)) out.mean_ = 1;  // nothing was ever active: plain nearest rounding
  out.order_.resize(static_cast<size_t>(cols));
  std::iota(out.order_.begin(), out.order_.end(), 0);
  if (act_order) {
    std::sort(out.order_.begin(), out.order_.end(),
              [&](int32_t a, int32_t b) { return diagonal(a) != diagonal(b) ? diagonal(a) > diagonal(b) : a < b; });
  }
  for (double tried = damping; out.failures_ <= kMostRaises; tried = std::max(10 * tried, 1e-6)) {
    if (out.try_damping(moments, tried)) return out;
    ++out.failures_;
  }
  return errorf("second moments of {} columns are not positive definite even with damping {}", cols,
                damping * std::pow(10.0, kMostRaises));
}

bool GptqFactor::try_damping(std::span<const float> moments, double damping) {
  const auto n = static_cast<Eigen::Index>(cols_);
  Eigen::MatrixXd reversed(n, n);
  damping_ = damping;
  added_ = damping * mean_;
  added_to_dead_ = mean_ + added_;
  for (Eigen::Index a = 0; a < n; ++a) {
    const int64_t row = order_[static_cast<size_t>(n - 1 - a)];
    for (Eigen::Index b = 0; b < n; ++b) {
      const int64_t col = order_[static_cast<size_t>(n - 1 - b)];
      reversed(a, b) = static_cast<double>(moments[static_cast<size_t>(row * cols_ + col)]);
    }
    reversed(a, a) += reversed(a, a) == 0 ? added_to_dead_ : added_;
  }
  const double largest = reversed.diagonal().maxCoeff();
  Eigen::LLT<Eigen::Ref<Eigen::MatrixXd>> factor(reversed);  // in place, lower triangle
  if (factor.info() != Eigen::Success) return false;
  triangle_.assign(static_cast<size_t>(n * n), 0.0f);
  pivots_.resize(static_cast<size_t>(n));
  for (Eigen::Index j = 0; j < n; ++j) {
    const double pivot = reversed(n - 1 - j, n - 1 - j);
    // A pivot that is rounding error only: the matrix is singular for our purpose.
    if (!(pivot * pivot > 1e-14 * static_cast<double>(n) * largest)) return false;
    pivots_[static_cast<size_t>(j)] = static_cast<float>(pivot * pivot / mean_);
    for (Eigen::Index i = 0; i <= j; ++i) {
      triangle_[static_cast<size_t>(i * n + j)] = static_cast<float>(reversed(n - 1 - i, n - 1 - j) / pivot);
    }
  }
  return true;
}

}  // namespace lowbit::quant

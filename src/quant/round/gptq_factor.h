// The factorization behind GPTQ: it depends on the second moments alone, so that many formats share one.
//
// With columns in the order they are visited, H = R diag(d) R^T, R unit upper triangular. Then for the errors
// e = w - q of a row
//   e H e^T = sum over j of d_j (w_j + sum_{i<j} e_i R_ij - q_j)^2,
// so that each column in turn is best rounded from the target w_j + sum_{i<j} e_i R_ij. This is GPTQ (Frantar et al.
// 2022) without an inverse: its U, the Cholesky factor of H^-1, is diag(d)^-1/2 R^-1, and carrying errors forward
// through U equals solving with R (both minimize the same squares one after the other). R comes from the Cholesky
// factor L of H with rows and columns reversed: R_ij = L_{n-1-i,n-1-j} / L_{n-1-j,n-1-j}.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"

namespace lowbit::quant {

class GptqFactor {
 public:
  // moments: [cols][cols], symmetric. Factors H + damping * mean(diag H) * I; columns that were never active (diag 0)
  // get the mean instead. Where H is not positive definite, damping is raised tenfold (to 1e-6 from 0), which the
  // result tells; an error where H has values that are no numbers, or nothing helps.
  static Result<GptqFactor> make(std::span<const float> moments, int64_t cols, double damping, bool act_order);

  int64_t cols() const { return cols_; }
  // Column visited at step i.
  std::span<const int32_t> order() const { return order_; }
  // [cols][cols] in visiting order: R, unit upper triangular (zeros below).
  std::span<const float> triangle() const { return triangle_; }
  // d_j in visiting order, relative to the mean of diag(H).
  std::span<const float> pivots() const { return pivots_; }
  double damping() const { return damping_; }
  // What was added to diag(H), and to a dead column instead of its 0.
  double added() const { return added_; }
  double added_to_dead() const { return added_to_dead_; }
  int failures() const { return failures_; }
  int64_t dead_columns() const { return dead_columns_; }
  bool act_order() const { return act_order_; }

 private:
  bool try_damping(std::span<const float> moments, double damping);

  int64_t cols_ = 0;
  std::vector<int32_t> order_;
  std::vector<float> triangle_, pivots_;
  double mean_ = 0, damping_ = 0, added_ = 0, added_to_dead_ = 0;
  int failures_ = 0;
  int64_t dead_columns_ = 0;
  bool act_order_ = true;
};

}  // namespace lowbit::quant

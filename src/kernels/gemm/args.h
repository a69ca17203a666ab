// Arguments of the fp32 product: plain values only, so that ISA files may include them.
#pragma once

#include <cstdint>

namespace lowbit::kernels {

// C[m][n] += A[m][k] * B[k][n]. Strides in elements. C and the others do not overlap.
struct GemmArgs {
  int64_t m, n, k;
  const float* a;
  int64_t a_row, a_col;  // strides of A: A[i][p] = a[i * a_row + p * a_col]
  const float* b;
  int64_t ldb;
  float* c;
  int64_t ldc;
};

}  // namespace lowbit::kernels

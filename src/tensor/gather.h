// Single rows out of packed weights: what a lookup in an embedding needs.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "tensor/weight.h"

namespace lowbit::tensor {

// The values of one row, [cols]; the same bits as dequantize_rows gives.
void dequantize_row(const PackedMatrix& from, int64_t row, float* out);

// Where each row lies: entry i is the packed row, counted over the parts, that holds natural row i. Empty for the
// identity.
std::vector<int32_t> inverse_row_order(const Weight& weight);

// The values of natural row `row`, [cols]; inverse_order comes from inverse_row_order and is computed once.
void dequantize_row(const Weight& weight, std::span<const int32_t> inverse_order, int64_t row, float* out);

// Whether a weight read from a file is whole: at least one part, rows and columns that agree with the shape, and a
// row order that is a permutation. The sentence names no tensor: the caller does.
Status check_weight(const Weight& weight);

}  // namespace lowbit::tensor

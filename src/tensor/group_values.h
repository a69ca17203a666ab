// Scales, minima and zero points of one row block as numbers: what kernels ask for once per row block.
#pragma once

#include <cstdint>
#include <span>

#include "tensor/packed.h"

namespace lowbit::tensor {

// Groups of the innermost level along a row, for which group_values gives entries: 1 for plain formats and for a
// level of whole rows or of the whole tensor.
int64_t value_groups(const PackedMatrix& matrix);

// Columns of such a group (the last one may be shorter); cols() where there is only one by definition.
int64_t value_group_columns(const PackedMatrix& matrix);

// The effective values of row block `row_block`, each [value_groups][16 rows]: the product over the levels from the
// inside out, each product rounded to float; an outer level without a minimum of its own multiplies the minimum by
// its scale. Zero points are integer values of the element. A plain format has scale 1; where a format has no minimum
// or zero point, 0. minimums and zero_points may be empty spans; padding rows hold the value of code 0.
void group_values(const PackedMatrix& from, int64_t row_block, std::span<float> scales, std::span<float> minimums,
                  std::span<int16_t> zero_points);

// The same for one row, each [value_groups].
void row_group_values(const PackedMatrix& from, int64_t row, std::span<float> scales, std::span<float> minimums,
                      std::span<int16_t> zero_points);

}  // namespace lowbit::tensor

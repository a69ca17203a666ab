// Weights on the grid that they were rounded to: for a picture of how well a format fits a tensor.
#pragma once

#include <cstdint>
#include <vector>

#include "tensor/weight.h"

namespace lowbit::quant {

// Source weights of some rows in units of their group's scale (after its zero point or minimum), where the grid is
// the element's values; counts between equally spaced edges. Empty where the first part has no scales.
struct GridHistogram {
  std::vector<double> edges;     // counts.size() + 1
  std::vector<uint64_t> counts;  // what lies beyond the ends is counted in the outermost bins
  std::vector<double> grid;      // values of the element, ascending, zero point 0
};

// source and solved have the same shape; at most `rows` rows of the first part are read.
GridHistogram grid_histogram(const tensor::Weight& source, const tensor::Weight& solved, int64_t rows, int bins);

}  // namespace lowbit::quant

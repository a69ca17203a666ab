// A named parameter as the rest of the house sees it: usually one packed matrix; or several parts with their own
// formats, the rows divided among them (rows of a token embedding that matter little can live in fewer bits).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tensor/packed.h"

namespace lowbit::tensor {

struct Weight {
  // As the model has it: [n] (then rows == 1, cols == n), [rows, cols], or [experts, rows, cols], held as one matrix
  // of experts x rows rows.
  std::vector<int64_t> shape;
  std::vector<PackedMatrix> parts;  // their rows add up to rows(); all have cols() columns
  std::vector<int32_t> row_order;   // packed row i, counted over the parts, is row row_order[i]; empty: the identity

  int64_t rows() const {
    int64_t product = 1;
    for (size_t i = 0; i + 1 < shape.size(); ++i) product *= shape[i];
    return product;
  }
  int64_t cols() const { return shape.empty() ? 0 : shape.back(); }
  uint64_t bytes() const {
    uint64_t sum = row_order.size() * sizeof(int32_t);
    for (const PackedMatrix& part : parts) sum += part.bytes().size();
    return sum;
  }
};

// Parameters of a model by name. Values are shared: a plan that replaces one weight copies the map, not the weights.
using Weights = std::map<std::string, std::shared_ptr<const Weight>>;

// All values in natural row order, [rows][cols].
std::vector<float> dequantize(const Weight& weight);

}  // namespace lowbit::tensor

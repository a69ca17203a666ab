// What a checkpoint holds under a name, row by row in a format of ours, however it is stored.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "io/checkpoint.h"
#include "tensor/packed.h"

namespace lowbit::models::hf {

// Codes and scales of one row; see tensor::Codes.
struct RowCodes {
  std::vector<uint16_t> codes;
  std::vector<std::vector<uint32_t>> scales, minimums;
};

class Matrix {
 public:
  virtual ~Matrix() = default;
  // Of a matrix in any format but plain f32.
  virtual void codes(int64_t row, RowCodes& out) const = 0;
  // Values of a matrix of plain elements.
  virtual void values(int64_t row, float* out) const = 0;

  std::string name;
  std::vector<int64_t> shape;
  formats::Format format;
  uint64_t bytes = 0;             // in the file
  std::vector<size_t> stored_as;  // tensors of the checkpoint

  int64_t cols() const { return shape.empty() ? 1 : shape.back(); }
  int64_t rows() const {
    int64_t n = 1;
    for (size_t i = 0; i + 1 < shape.size(); ++i) n *= shape[i];
    return n;
  }
};

using Matrices = std::vector<std::unique_ptr<const Matrix>>;

// Tensors of F64, F32, F16, BF16 and F8 as they are.
std::unique_ptr<Matrix> plain_matrix(std::shared_ptr<const io::Checkpoint> checkpoint, size_t index);

}  // namespace lowbit::models::hf

// Rows of a packed matrix as a module of a Hugging Face checkpoint has them.
#pragma once

#include <cstddef>
#include <vector>

#include "tensor/packed.h"

namespace lowbit::models::hf {

// Where row i of a matrix under its name of GGUF lies in the checkpoint: the two halves of each head's rows become
// neighbours. heads 0: as they are.
int64_t checkpoint_row(int64_t i, int64_t rows, int64_t heads);
// The inverse.
int64_t gguf_row(int64_t i, int64_t rows, int64_t heads);

// Rows [first, first + rows) of a packed matrix, or the elements of a vector, in the order of the checkpoint.
class ModuleRows {
 public:
  // The matrix is borrowed.
  ModuleRows(const tensor::PackedMatrix& matrix, int64_t first, int64_t rows, int64_t heads)
      : matrix_(matrix), first_(first), rows_(rows), heads_(heads) {}

  // How many rows are taken at once: a multiple of kModuleRows.
  int64_t step() const;
  // Of a format with scales.
  tensor::Codes codes(int64_t begin, int64_t end) const;
  // Bytes of plain elements.
  std::vector<std::byte> plain(int64_t begin, int64_t end) const;
  // A vector in a plain format; `plus` is taken off each value.
  std::vector<std::byte> vector(float plus, const formats::Format& format) const;

 private:
  // The packed rows that rows [begin, end) come from: whole heads.
  struct Range {
    int64_t begin = 0, end = 0;
  };
  Range sources(int64_t begin, int64_t end) const;

  const tensor::PackedMatrix& matrix_;
  int64_t first_, rows_, heads_;
};

}  // namespace lowbit::models::hf

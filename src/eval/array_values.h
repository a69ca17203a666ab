// The numbers of an array of floating point, as it lies in a file.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/threads.h"
#include "io/npy.h"

namespace lowbit::eval {

// Some numbers as rows, along which groups run.
struct Samples {
  std::span<const float> values;  // [rows][cols]
  int64_t rows = 1, cols = 0;
};

// The types that hold floating point.
inline constexpr io::NpyType kFloatTypes[] = {io::NpyType::float16, io::NpyType::float32, io::NpyType::float64};

// `count` numbers from number `first` on, in the order of the file: floats of float16 and float32 (exact) and, each
// rounded to nearest, of float64; doubles of float64 only.
template <class T>
std::vector<T> values_of(const io::NpyView& array, int64_t first, int64_t count, ThreadPool* pool);
template <>
std::vector<float> values_of(const io::NpyView& array, int64_t first, int64_t count, ThreadPool* pool);
template <>
std::vector<double> values_of(const io::NpyView& array, int64_t first, int64_t count, ThreadPool* pool);

// An array as rows of its last axis.
class ArrayRows {
 public:
  explicit ArrayRows(const io::NpyView& array);

  int64_t rows() const { return rows_; }
  int64_t cols() const { return cols_; }
  // Do the numbers of a row lie side by side, row after row? Else (Fortran order) row r is every rows()-th number
  // from number r on; rows then come in an order of their own.
  bool contiguous() const { return contiguous_; }

  // All of them, [rows][cols].
  std::vector<float> read(ThreadPool* pool) const;
  // Rows in the order of the file.
  std::vector<float> in_file_order(std::vector<float> rows) const;

 private:
  const io::NpyView* array_;
  int64_t rows_ = 1, cols_ = 1;
  bool contiguous_ = true;
};

}  // namespace lowbit::eval

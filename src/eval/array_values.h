// The numbers of an array of floating point, as it lies in a file.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "base/threads.h"
#include "io/npy.h"

namespace lowbit::eval {

// Some numbers as rows, along which groups run.
struct Samples {
  std::span<const float> values;  // [rows][cols]
  int64_t rows = 1, cols = 0;
  int64_t matrix_rows = 0;  // where the rows are those of several matrices: of one of them; 0: one matrix
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

// Whether an array of this many axes has the axis (negative: from the end); a single value has the last one.
Status check_axis(const io::NpyView& array, int64_t axis);

// An array as rows of one axis, in the order of the other axes, whatever the order of the file.
class ArrayRows {
 public:
  // CHECKs check_axis.
  explicit ArrayRows(const io::NpyView& array, int64_t axis = -1);

  int64_t rows() const { return rows_; }
  int64_t cols() const { return cols_; }
  // Rows of a matrix: numbers along the last of the other axes.
  int64_t matrix_rows() const { return matrix_rows_; }
  // Do the numbers of a row lie side by side, row after row?
  bool contiguous() const;
  Samples samples(std::span<const float> values) const { return {values, rows_, cols_, matrix_rows_}; }

  // All of them, [rows][cols].
  std::vector<float> read(ThreadPool* pool) const;
  // Rows in the order of the file.
  std::vector<float> in_file_order(std::vector<float> rows) const;

 private:
  struct Axis {
    int64_t length = 1, stride = 1;  // numbers, and their distance in the file
  };

  const io::NpyView* array_;
  std::vector<Axis> others_;  // slowest first
  Axis along_;
  int64_t rows_ = 1, cols_ = 1, matrix_rows_ = 1;

  // Where each row begins in the file.
  std::vector<int64_t> begins() const;
};

}  // namespace lowbit::eval

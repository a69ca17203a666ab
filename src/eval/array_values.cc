#include "eval/array_values.h"

#include <cstring>

#include "base/check.h"
#include "formats/array.h"

namespace lowbit::eval {
namespace {

// Copied, as the file may hold them at any address.
template <class Stored>
std::vector<Stored> stored(const io::NpyView& array, int64_t first, int64_t count) {
  LOWBIT_CHECK(first >= 0 && count >= 0 && first + count <= array.elements());
  std::vector<Stored> out(static_cast<size_t>(count));
  if (count > 0) {
    std::memcpy(out.data(), array.data.data() + static_cast<size_t>(first) * sizeof(Stored),
                out.size() * sizeof(Stored));
  }
  return out;
}

std::vector<float> halves(const io::NpyView& array, int64_t first, int64_t count, ThreadPool* pool) {
  static const formats::ElementFormat f16 = formats::parse_element("f16").value();
  std::vector<float> out(static_cast<size_t>(count));
  formats::ArrayOptions options;
  options.pool = pool;
  formats::decode_array(f16, std::span<const uint16_t>(stored<uint16_t>(array, first, count)), out, options);
  return out;
}

}  // namespace

template <>
std::vector<double> values_of(const io::NpyView& array, int64_t first, int64_t count, ThreadPool*) {
  LOWBIT_CHECK(array.type == io::NpyType::float64);
  return stored<double>(array, first, count);
}

template <>
std::vector<float> values_of(const io::NpyView& array, int64_t first, int64_t count, ThreadPool* pool) {
  if (array.type == io::NpyType::float16) return halves(array, first, count, pool);
  if (array.type == io::NpyType::float32) return stored<float>(array, first, count);
  const std::vector<double> wide = values_of<double>(array, first, count, pool);
  std::vector<float> out(wide.size());
  for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<float>(wide[i]);
  return out;
}

ArrayRows::ArrayRows(const io::NpyView& array) : array_(&array) {
  int64_t longer = 0;  // axes of more than one index: with at most one, both orders are the same
  for (const int64_t n : array.shape) longer += n > 1 ? 1 : 0;
  contiguous_ = !array.fortran_order || longer <= 1;
  if (!array.shape.empty()) cols_ = array.shape.back();
  rows_ = cols_ == 0 ? 0 : array.elements() / cols_;
}

std::vector<float> ArrayRows::read(ThreadPool* pool) const {
  std::vector<float> stored = values_of<float>(*array_, 0, rows_ * cols_, pool);
  if (contiguous_) return stored;
  std::vector<float> out(stored.size());
  for (int64_t c = 0; c < cols_; ++c) {
    for (int64_t r = 0; r < rows_; ++r)
      out[static_cast<size_t>(r * cols_ + c)] = stored[static_cast<size_t>(c * rows_ + r)];
  }
  return out;
}

std::vector<float> ArrayRows::in_file_order(std::vector<float> rows) const {
  LOWBIT_CHECK(std::ssize(rows) == rows_ * cols_);
  if (contiguous_) return rows;
  std::vector<float> out(rows.size());
  for (int64_t c = 0; c < cols_; ++c) {
    for (int64_t r = 0; r < rows_; ++r)
      out[static_cast<size_t>(c * rows_ + r)] = rows[static_cast<size_t>(r * cols_ + c)];
  }
  return out;
}

}  // namespace lowbit::eval

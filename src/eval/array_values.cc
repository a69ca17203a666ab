#include "eval/array_values.h"

#include <algorithm>
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

Status check_axis(const io::NpyView& array, int64_t axis) {
  const auto axes = std::max<int64_t>(std::ssize(array.shape), 1);
  if (axis >= -axes && axis < axes) return {};
  return errorf("axis {}: found an array of {} axes, expected {} to {}", axis, array.shape.size(), -axes, axes - 1);
}

ArrayRows::ArrayRows(const io::NpyView& array, int64_t axis) : array_(&array) {
  LOWBIT_CHECK(check_axis(array, axis).ok());
  const auto axes = static_cast<int64_t>(array.shape.size());
  const int64_t at = axis < 0 ? axis + axes : axis;
  std::vector<Axis> all(array.shape.size());
  int64_t stride = 1;
  for (int64_t i = 0; i < axes; ++i) {
    const auto next = static_cast<size_t>(array.fortran_order ? i : axes - 1 - i);
    all[next] = {array.shape[next], stride};
    stride *= array.shape[next];
  }
  for (int64_t i = 0; i < axes; ++i) {
    const Axis& found = all[static_cast<size_t>(i)];
    if (i == at) {
      along_ = found;
    } else {
      others_.push_back(found);
      matrix_rows_ = found.length;
    }
  }
  cols_ = along_.length;
  rows_ = cols_ == 0 ? 0 : array.elements() / cols_;
}

std::vector<int64_t> ArrayRows::begins() const {
  std::vector<int64_t> out = {0};
  if (rows_ == 0) return {};
  for (const Axis& axis : others_) {
    std::vector<int64_t> next;
    next.reserve(out.size() * static_cast<size_t>(axis.length));
    for (const int64_t begin : out) {
      for (int64_t i = 0; i < axis.length; ++i) next.push_back(begin + i * axis.stride);
    }
    out = std::move(next);
  }
  return out;
}

bool ArrayRows::contiguous() const {
  int64_t stride = along_.length;
  if (along_.length > 1 && along_.stride != 1) return false;
  for (size_t i = others_.size(); i-- > 0;) {
    if (others_[i].length > 1 && others_[i].stride != stride) return false;
    stride *= others_[i].length;
  }
  return true;
}

std::vector<float> ArrayRows::read(ThreadPool* pool) const {
  std::vector<float> stored = values_of<float>(*array_, 0, rows_ * cols_, pool);
  if (contiguous()) return stored;
  std::vector<float> out(stored.size());
  auto to = out.begin();
  for (const int64_t begin : begins()) {
    for (int64_t c = 0; c < cols_; ++c) *to++ = stored[static_cast<size_t>(begin + c * along_.stride)];
  }
  return out;
}

std::vector<float> ArrayRows::in_file_order(std::vector<float> rows) const {
  LOWBIT_CHECK(std::ssize(rows) == rows_ * cols_);
  if (contiguous()) return rows;
  std::vector<float> out(rows.size());
  auto from = rows.begin();
  for (const int64_t begin : begins()) {
    for (int64_t c = 0; c < cols_; ++c) out[static_cast<size_t>(begin + c * along_.stride)] = *from++;
  }
  return out;
}

}  // namespace lowbit::eval

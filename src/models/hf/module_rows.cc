#include "models/hf/module_rows.h"

#include <algorithm>
#include <cstring>

#include "models/hf/compressed_layout.h"

namespace lowbit::models::hf {
namespace {

constexpr int64_t kRowsAtOnce = 128;

// One entry for each row, or for each of its groups, moved to the order of the checkpoint.
template <class T>
void pick(const std::vector<T>& from, int64_t row, int64_t from_rows, std::vector<T>& to) {
  const auto count = static_cast<std::ptrdiff_t>(from.size()) / from_rows;
  to.insert(to.end(), from.begin() + row * count, from.begin() + (row + 1) * count);
}

template <class T>
void append_word(T value, size_t bytes, std::vector<std::byte>& out) {
  const size_t at = out.size();
  out.resize(at + bytes);
  std::memcpy(out.data() + at, &value, bytes);
}

}  // namespace

int64_t checkpoint_row(int64_t i, int64_t rows, int64_t heads) {
  if (heads == 0) return i;
  const int64_t dim = rows / heads, head = i / dim, within = i % dim;
  return head * dim + within % 2 * (dim / 2) + within / 2;
}

int64_t gguf_row(int64_t i, int64_t rows, int64_t heads) {
  if (heads == 0) return i;
  const int64_t dim = rows / heads, head = i / dim, within = i % dim;
  return head * dim + within % (dim / 2) * 2 + within / (dim / 2);
}

int64_t ModuleRows::step() const {
  const int64_t dim = heads_ == 0 ? 1 : rows_ / heads_;
  return (std::max(kRowsAtOnce, dim) + kModuleRows - 1) / kModuleRows * kModuleRows;
}

ModuleRows::Range ModuleRows::sources(int64_t begin, int64_t end) const {
  const int64_t dim = heads_ == 0 ? 1 : rows_ / heads_;
  const int64_t low = first_ + begin / dim * dim, high = first_ + (end + dim - 1) / dim * dim;
  // Packed rows are taken in whole blocks.
  return {low / tensor::kRowBlock * tensor::kRowBlock,
          std::min(matrix_.rows(), (high + tensor::kRowBlock - 1) / tensor::kRowBlock * tensor::kRowBlock)};
}

tensor::Codes ModuleRows::codes(int64_t begin, int64_t end) const {
  const Range range = sources(begin, end);
  const tensor::Codes from = tensor::unpack_rows(matrix_, range.begin, range.end);
  const auto& levels = matrix_.format().levels;
  tensor::Codes to;
  to.scales.resize(from.scales.size());
  to.minimums.resize(from.minimums.size());
  for (int64_t i = begin; i < end; ++i) {
    const int64_t row = first_ + gguf_row(i, rows_, heads_) - range.begin, rows = range.end - range.begin;
    pick(from.codes, row, rows, to.codes);
    for (size_t level = 0; level < levels.size(); ++level) {
      if (levels[level].group == formats::kGroupTensor) continue;
      pick(from.scales[level], row, rows, to.scales[level]);
      pick(from.minimums[level], row, rows, to.minimums[level]);
    }
  }
  for (size_t level = 0; level < levels.size(); ++level) {
    if (levels[level].group == formats::kGroupTensor) to.scales[level] = from.scales[level];
  }
  return to;
}

std::vector<std::byte> ModuleRows::plain(int64_t begin, int64_t end) const {
  const Range range = sources(begin, end);
  const int64_t cols = matrix_.cols();
  std::vector<std::byte> out;
  const auto word = static_cast<size_t>(matrix_.format().element.bits / 8);
  out.reserve(static_cast<size_t>((end - begin) * cols) * word);
  if (word == 4) {
    std::vector<float> values(static_cast<size_t>((range.end - range.begin) * cols));
    tensor::dequantize_rows(matrix_, range.begin, range.end, values.data());
    for (int64_t i = begin; i < end; ++i) {
      const auto* row = reinterpret_cast<const std::byte*>(
          values.data() + (first_ + gguf_row(i, rows_, heads_) - range.begin) * cols);
      out.insert(out.end(), row, row + cols * 4);
    }
    return out;
  }
  const tensor::Codes from = codes(begin, end);
  for (const uint16_t code : from.codes) append_word(code, word, out);
  return out;
}

std::vector<std::byte> ModuleRows::vector(float plus, const formats::Format& format) const {
  std::vector<float> values(static_cast<size_t>(matrix_.cols()));
  tensor::dequantize_rows(matrix_, 0, 1, values.data());
  std::vector<std::byte> out;
  const int64_t count = matrix_.cols();
  for (int64_t i = 0; i < count; ++i) {
    const float value = values[static_cast<size_t>(gguf_row(i, count, heads_))] - plus;
    if (format.element.bits == 32) {
      append_word(value, 4, out);
    } else {
      append_word(static_cast<uint16_t>(formats::encode(format.element, value)), 2, out);
    }
  }
  return out;
}

}  // namespace lowbit::models::hf

#include "quant/observe/second_moment.h"

#include <algorithm>
#include <cstring>

#include "base/bits.h"
#include "base/check.h"
#include "kernels/gemm/gemm.h"

namespace lowbit::quant {
namespace {

constexpr int64_t kTile = 64;  // rows of H per piece of work; a piece covers its columns from the diagonal on
constexpr uint64_t kHeader = 16;
constexpr uint64_t kMostCols = 1 << 20;

uint64_t triangle_size(uint64_t cols) { return cols * (cols + 1) / 2; }

}  // namespace

SecondMoment::SecondMoment(int64_t cols) : cols_(cols), upper_(static_cast<size_t>(cols * cols), 0.0f) {
  LOWBIT_CHECK(cols > 0);
}

void SecondMoment::add(const float* x, int64_t tokens, ThreadPool& threads) {
  LOWBIT_CHECK(tokens >= 0);
  const Isa isa = active_isa();
  // Long pieces first: the first rows have the most columns.
  threads.parallel_for(ceil_div(cols_, kTile), 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t t = begin; t < end; ++t) {
      const int64_t first = t * kTile;
      const int64_t rows = std::min(kTile, cols_ - first);
      // X^T is X read with its strides exchanged.
      kernels::gemm(isa, {rows, cols_ - first, tokens, x + first, 1, cols_, x + first, cols_,
                          upper_.data() + first * cols_ + first, cols_});
    }
  });
  tokens_ += tokens;
}

std::vector<float> SecondMoment::matrix() const {
  std::vector<float> out = upper_;
  for (int64_t i = 0; i < cols_; ++i) {
    for (int64_t j = 0; j < i; ++j) {
      out[static_cast<size_t>(i * cols_ + j)] = upper_[static_cast<size_t>(j * cols_ + i)];
    }
  }
  return out;
}

std::vector<float> SecondMoment::diagonal() const {
  std::vector<float> out;
  for (int64_t i = 0; i < cols_; ++i) out.push_back(upper_[static_cast<size_t>(i * cols_ + i)]);
  return out;
}

std::vector<std::byte> SecondMoment::save() const {
  std::vector<std::byte> out(kHeader + triangle_size(static_cast<uint64_t>(cols_)) * sizeof(float));
  const int64_t header[2] = {cols_, tokens_};
  std::memcpy(out.data(), header, kHeader);
  std::byte* to = out.data() + kHeader;
  for (int64_t i = 0; i < cols_; ++i) {
    const auto bytes = static_cast<size_t>(cols_ - i) * sizeof(float);
    std::memcpy(to, upper_.data() + i * cols_ + i, bytes);
    to += bytes;
  }
  return out;
}

Result<SecondMoment> SecondMoment::load(std::span<const std::byte> bytes) {
  int64_t header[2] = {0, 0};
  if (bytes.size() < kHeader)
    return errorf("second moments have {} bytes, expected at least {}", bytes.size(), kHeader);
  std::memcpy(header, bytes.data(), kHeader);
  const auto cols = static_cast<uint64_t>(header[0]);
  if (header[0] <= 0 || cols > kMostCols || header[1] < 0) {
    return errorf("second moments name {} columns and {} tokens", header[0], header[1]);
  }
  const uint64_t expected = kHeader + triangle_size(cols) * sizeof(float);
  if (bytes.size() != expected) {
    return errorf("second moments of {} columns have {} bytes, expected {}", cols, bytes.size(), expected);
  }
  SecondMoment out(header[0]);
  out.tokens_ = header[1];
  const std::byte* from = bytes.data() + kHeader;
  for (int64_t i = 0; i < out.cols_; ++i) {
    const auto row = static_cast<size_t>(out.cols_ - i) * sizeof(float);
    std::memcpy(out.upper_.data() + i * out.cols_ + i, from, row);
    from += row;
  }
  return out;
}

}  // namespace lowbit::quant

#include "cost/reading.h"

#include <algorithm>
#include <chrono>

#include "kernels/limits/limits.h"

namespace lowbit::cost {
namespace {

constexpr int64_t kPiece = int64_t{1} << 18;  // bytes that a thread takes at a time
constexpr double kSeconds = 2e-3;             // of a read, about

}  // namespace

ReadingBeside::ReadingBeside(const MachineLimits& limits, ThreadPool& pool,
                             const std::vector<std::span<const std::byte>>& memory)
    : limits_(limits), pool_(pool) {
  for (const std::span<const std::byte> part : memory) {
    const auto* begin = reinterpret_cast<const uint8_t*>(part.data());
    for (int64_t i = 0; (i + 1) * kPiece <= std::ssize(part); ++i) pieces_.push_back(begin + i * kPiece);
  }
}

void ReadingBeside::read() {
  if (pieces_.empty()) return;
  const auto wanted = static_cast<int64_t>(limits_.read_bytes_per_s * kSeconds) / kPiece;
  const int64_t count =
      std::clamp<int64_t>(wanted, pool_.size(), std::max<int64_t>(pool_.size(), std::ssize(pieces_)));
  const auto begin = std::chrono::steady_clock::now();
  pool_.parallel_for(count, 1, [&](int64_t from, int64_t to, int) {
    for (int64_t i = from; i < to; ++i) {
      uint32_t sum = 0;
      const uint8_t* piece = pieces_[(at_ + static_cast<size_t>(i)) % pieces_.size()];
      kernels::read_sum(limits_.isa, {piece, kPiece, limits_.streams, limits_.prefetch, &sum});
    }
  });
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  at_ = (at_ + static_cast<size_t>(count)) % pieces_.size();
  rates_.push_back(static_cast<double>(count * kPiece) / seconds.count());
}

double ReadingBeside::bytes_per_s() const {
  if (rates_.empty()) return limits_.read_bytes_per_s;
  std::vector<double> sorted = rates_;
  std::ranges::nth_element(sorted, sorted.begin() + std::ssize(sorted) / 2);
  return sorted[sorted.size() / 2];
}

}  // namespace lowbit::cost

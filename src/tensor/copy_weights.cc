#include "tensor/copy_weights.h"

#include <algorithm>
#include <cstring>

#include "base/bits.h"
#include "base/pages.h"

namespace lowbit::tensor {
namespace {

constexpr int64_t kPiece = int64_t{1} << 20;  // bytes that a thread copies at a time

void copy_bytes(std::span<const std::byte> from, std::byte* to, ThreadPool& pool) {
  const auto bytes = static_cast<int64_t>(from.size());
  pool.parallel_for(ceil_div(bytes, kPiece), 1, [&](int64_t begin, int64_t end, int) {
    const int64_t first = begin * kPiece, count = std::min(bytes, end * kPiece) - first;
    std::memcpy(to + first, from.data() + first, static_cast<size_t>(count));
  });
}

}  // namespace

Result<Weights> copy_weights(Weights weights, ThreadPool& pool, const Nodes& nodes) {
  const auto room = [](const PackedMatrix& part) {
    return static_cast<uint64_t>(round_up(static_cast<int64_t>(part.bytes().size()), kSectionAlignment));
  };
  std::map<const Weight*, std::shared_ptr<const Weight>> copies;
  uint64_t total = 0;
  std::vector<Shared> shared;
  for (const auto& [name, weight] : weights) {
    if (!copies.emplace(weight.get(), nullptr).second) continue;
    for (const PackedMatrix& part : weight->parts) {
      add_shared(part.layout(), total, shared);
      total += room(part);
    }
  }
  LOWBIT_ASSIGN(const std::shared_ptr<std::byte> memory, allocate_pages(total));
  spread_threads(nodes, pool);
  if (total >= kLargePage) spread_pages(nodes, {memory.get(), total}, shared);
  std::byte* at = memory.get();
  for (auto& [name, weight] : weights) {
    std::shared_ptr<const Weight>& held = copies.at(weight.get());
    if (held == nullptr) {
      auto copy = std::make_shared<Weight>(*weight);
      for (PackedMatrix& part : copy->parts) {
        copy_bytes(part.bytes(), at, pool);
        const std::span<const std::byte> bytes(at, part.bytes().size());
        at += room(part);
        LOWBIT_ASSIGN(part, PackedMatrix::view(part.format(), part.rows(), part.cols(), bytes, memory));
      }
      held = std::move(copy);
    }
    weight = held;
  }
  return weights;
}

}  // namespace lowbit::tensor

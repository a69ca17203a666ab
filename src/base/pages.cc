#include "base/pages.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>

namespace lowbit {

Result<std::shared_ptr<std::byte>> allocate_pages(uint64_t bytes) {
  constexpr uint64_t kAlignment = 64;
  if (bytes > uint64_t{1} << 62) return errorf("no memory for {} bytes", bytes);
  const auto rounded = [bytes](uint64_t unit) { return (bytes + unit - 1) / unit * unit; };
  if (bytes < kLargePage) {
    const uint64_t padded = bytes == 0 ? kAlignment : rounded(kAlignment);
    void* memory = std::aligned_alloc(kAlignment, padded);
    if (memory == nullptr) return errorf("no memory for {} bytes", bytes);
    std::memset(memory, 0, padded);
    return std::shared_ptr<std::byte>(static_cast<std::byte*>(memory), std::free);
  }
  // Large pages stand at multiples of their size: what is before and behind them is given back.
  const uint64_t padded = rounded(kLargePage), mapped = padded + kLargePage;
  void* memory = ::mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return errorf("no memory for {} bytes", bytes);
  auto* const first = static_cast<std::byte*>(memory);
  std::byte* const begin = first + (kLargePage - reinterpret_cast<uintptr_t>(first) % kLargePage) % kLargePage;
  if (begin > first) ::munmap(first, static_cast<size_t>(begin - first));
  ::munmap(begin + padded, static_cast<size_t>(first + mapped - (begin + padded)));
  ::madvise(begin, padded, MADV_HUGEPAGE);
  return std::shared_ptr<std::byte>(begin, [padded](std::byte* p) { ::munmap(p, padded); });
}

}  // namespace lowbit

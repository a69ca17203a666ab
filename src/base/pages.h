// Memory for what is read again and again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/result.h"

namespace lowbit {

// From so many bytes on the system is asked for large pages.
constexpr uint64_t kLargePage = uint64_t{1} << 21;

// Zero-filled bytes at a multiple of 64, at least one. Many of them are in large pages where the system has these: a
// page walk every 4 kB halves the rate at which a processor reads memory.
Result<std::shared_ptr<std::byte>> allocate_pages(uint64_t bytes);

}  // namespace lowbit

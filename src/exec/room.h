// Memory of what is made and used again in every pass.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace lowbit::exec {

// Memory that is kept from call to call and only grows.
class Room {
 public:
  // From a multiple of 64 bytes on.
  std::byte* bytes(int64_t count) {
    const auto need = static_cast<size_t>(count) + 64;
    if (store_.size() < need) store_.resize(need);
    return store_.data() + (64 - reinterpret_cast<uintptr_t>(store_.data()) % 64) % 64;
  }
  float* floats(int64_t count) { return reinterpret_cast<float*>(bytes(4 * count)); }

 private:
  std::vector<std::byte> store_;
};

}  // namespace lowbit::exec

#include "base/memory.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <optional>
#include <string>

namespace lowbit {
namespace {

constexpr uint64_t kUnknown = std::numeric_limits<uint64_t>::max();

// A file with one number; none where it is missing or says "max".
std::optional<uint64_t> number_in(const char* path) {
  std::ifstream in(path);
  uint64_t value = 0;
  if (in >> value) return value;
  return {};
}

uint64_t left_of(const char* limit, const char* used) {
  const auto most = number_in(limit), now = number_in(used);
  if (!most || !now) return kUnknown;
  return *most > *now ? *most - *now : 0;
}

uint64_t free_of_system() {
  std::ifstream in("/proc/meminfo");
  std::string key, unit;
  uint64_t kib = 0;
  while (in >> key >> kib) {
    if (key == "MemAvailable:") return kib * 1024;
    std::getline(in, unit);
  }
  return kUnknown;
}

}  // namespace

uint64_t available_memory() {
  return std::min(
      {free_of_system(), left_of("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
       left_of("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes")});
}

}  // namespace lowbit

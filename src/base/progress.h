// Progress of long work, reported by library rooms and shown by the doors (a library room never prints).
#pragma once

#include <functional>
#include <string_view>

namespace lowbit {

// stage: a few words for a person; done and total in any one unit (total 0 where unknown).
using ProgressFn = std::function<void(std::string_view stage, double done, double total)>;

inline void report_progress(const ProgressFn& progress, std::string_view stage, double done, double total) {
  if (progress) progress(stage, done, total);
}

}  // namespace lowbit

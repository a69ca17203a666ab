// The rate of reading while something else is measured: a machine's memory is faster at one minute than at the next,
// and work and limit are comparable only side by side.
#pragma once

#include <span>
#include <vector>

#include "base/threads.h"
#include "cost/limits.h"

namespace lowbit::cost {

class ReadingBeside {
 public:
  // memory: what the work reads, or as much that is as cold. Read by the way that was the fastest for `limits`.
  ReadingBeside(const MachineLimits& limits, ThreadPool& pool, const std::vector<std::span<const std::byte>>& memory);

  // Reads what takes a few milliseconds, going round the memory. Nothing where this has less than a piece.
  void read();
  // The median of the reads; of none, what the limits say.
  double bytes_per_s() const;

 private:
  const MachineLimits& limits_;
  ThreadPool& pool_;
  std::vector<const uint8_t*> pieces_;
  size_t at_ = 0;
  std::vector<double> rates_;
};

}  // namespace lowbit::cost

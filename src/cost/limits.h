// The limits of this machine, measured: what everything else is set beside. A limit is the fastest of
// many short runs, so that a share of it is not flattered by another program that was busy meanwhile.
#pragma once

#include <cstdint>
#include <string>

#include "base/cpu.h"
#include "base/progress.h"
#include "base/result.h"
#include "base/threads.h"

namespace lowbit::cost {

struct MachineLimits {
  Isa isa = Isa::portable;
  int threads = 1;
  std::string processor;        // as the system names it
  double read_bytes_per_s = 0;  // of memory, all threads together
  double int8_ops_per_s = 0;    // by vectors; a multiply-add counts two
  double tile_ops_per_s = 0;    // the same by tiles; 0 where there are none
  double bf16_ops_per_s = 0;    // by the bf16 instruction or as fp32, the faster
  double fp32_ops_per_s = 0;
  uint64_t read_bytes = 0;  // of the array that was read
  int streams = 0;          // the fastest way of reading: parts side by side,
  int64_t prefetch = 0;     // bytes fetched ahead
};

struct LimitOptions {
  uint64_t bytes = uint64_t{1} << 30;  // to be read; fewer where less than twice as much memory is free
  double seconds = 1.0;                // about, beside making the array
};

// An error: a read or a product gave a wrong answer, or there is no memory.
Result<MachineLimits> measure_limits(Isa isa, ThreadPool& pool, const LimitOptions& options,
                                     const ProgressFn& progress = {});

}  // namespace lowbit::cost

// How fast the product of activations with a packed weight is on this machine, beside the limit that binds it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/progress.h"
#include "cost/limits.h"
#include "cost/timing.h"
#include "formats/format.h"

namespace lowbit::cost {

struct KernelRate {
  std::string weight, activation;  // formats
  const char* kernel = "";         // what multiplies: bits, bytes, bf16 or fp32
  int64_t rows = 0, cols = 0, tokens = 0;
  int copies = 1;           // of the weight, taken in turn
  Timing timing;            // of one product
  double nanoseconds = 0;   // per weight and token
  double bytes_per_s = 0;   // of the weight, read once
  double ops_per_s = 0;     // a multiply-add counts two
  double reading = 0;       // bytes a second that the machine reads meanwhile
  double share = 0;         // of the limit that binds: the greater of the two shares
  bool by_reading = false;  // that is the read rate; else the int8 peak (bf16 or fp32 where activations are
                            // no integers)
};

struct Matrix {
  int64_t rows = 4096, cols = 4096;
};

struct KernelRatesOptions {
  std::vector<formats::Format> formats;
  std::vector<Matrix> matrices = {{}};
  std::vector<int64_t> tokens = {1, 2, 4, 8, 16, 256};
  std::optional<formats::Format> activation;  // else as the standard policy has it, in groups as those of the weight
  double seconds = 0.3;                       // for each row, about
  uint64_t cold_bytes = uint64_t{1} << 30;    // copies of a weight that are taken in turn; 0: one copy
};

// Integers of 1 to 8 bits in groups of 32, 64 and 128, formats of 4 bits that need a table, and floats.
std::vector<formats::Format> usual_products();

// All rows, each handed to `row` as it is measured. An error: a product differs from the oracle, or there is no
// memory.
Status measure_kernels(const KernelRatesOptions& options, const MachineLimits& limits, ThreadPool& pool,
                       const std::function<void(const KernelRate&)>& row, const ProgressFn& progress = {});

}  // namespace lowbit::cost

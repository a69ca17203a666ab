// Which format suits an array: every candidate measured on it, bits against error.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/progress.h"
#include "eval/format_error.h"

namespace lowbit::eval {

// Formats of at most 16 bits that advice tries, made from the lists of the format language: named elements as they
// are, published block formats, and integers and every element of at most 8 bits with a scale per 32, 128 or a row.
std::vector<formats::Format> advice_candidates();

struct Advice {
  formats::Format format;
  double bits = 0.0;  // true_bits of the array
  double relative_error = 0.0, sqnr_db = 0.0;
  bool pareto = false;  // no other with at most as many bits has a lower error
};

struct AdviceOptions {
  std::optional<double> most_bits;  // leave out what needs more
  bool search = false;              // scales by the quantizer's search for the least squared error
  ThreadPool* pool = nullptr;
  ProgressFn progress;
};

struct AdviceResult {
  std::vector<Advice> ranked;  // the Pareto front by rising bits, then the others by falling SQNR less 6.02 dB a bit
  int64_t measured = 0;        // elements: of an array of more than 2^20 a part, rows spread over it
};

Result<AdviceResult> advise(const Samples& samples, const AdviceOptions& options);

}  // namespace lowbit::eval

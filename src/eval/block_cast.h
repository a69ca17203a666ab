// Rows of numbers into a block format and back, by the quantizer that rounds weights.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "base/threads.h"
#include "eval/array_values.h"
#include "formats/format.h"
#include "quant/method.h"

namespace lowbit::eval {

// A format with scales, ready for one array. Scales come from the largest magnitudes, or from a search for the least
// squared error.
class BlockCast {
 public:
  // Looks at all rows where the format has a scale of the whole tensor.
  static Result<BlockCast> make(const formats::Format& format, const ArrayRows& rows, ThreadPool* pool,
                                quant::ScaleSearch search = quant::ScaleSearch::amax);
  static Result<BlockCast> make(const formats::Format& format, std::span<const float> all, ThreadPool* pool,
                                quant::ScaleSearch search = quant::ScaleSearch::amax);

  // The values of [rows][cols] numbers. NaN counts as 0; magnitudes beyond 2^100 as that.
  Result<std::vector<float>> values(std::span<const float> in, int64_t rows, int64_t cols) const;

 private:
  BlockCast(const formats::Format& format, ThreadPool* pool, quant::ScaleSearch search);
  bool has_tensor_level() const { return format_.levels.back().group == formats::kGroupTensor; }

  formats::Format format_;
  quant::TensorScales tensor_;
  quant::MethodOptions options_;
  ThreadPool* pool_;
};

}  // namespace lowbit::eval

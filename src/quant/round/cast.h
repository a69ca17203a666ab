// Elements without scales (bf16, e4m3fn, ...): each weight is encoded by itself, no method has a say.
#pragma once

#include <span>
#include <vector>

#include "base/result.h"
#include "base/threads.h"
#include "tensor/packed.h"

namespace lowbit::quant {

struct CastOutput {
  tensor::PackedMatrix matrix;
  std::vector<double> weighted_error, squared_error;  // per row, as in MethodOutput
};

// values: [rows][cols]; second_moments [cols][cols] or empty. The same bits for any number of threads.
Result<CastOutput> cast_rows(const formats::Format& format, int64_t rows, int64_t cols, std::span<const float> values,
                             std::span<const float> second_moments, ThreadPool& pool);

}  // namespace lowbit::quant

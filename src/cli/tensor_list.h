// Tensors of a file for people and scripts: the same keys in inspect and quantize.
#pragma once

#include <span>

#include "cli/json_output.h"
#include "io/model_file.h"

namespace lowbit::cli {

struct TensorTotals {
  int64_t parameters = 0;
  uint64_t bytes = 0;

  // 8 x bytes / parameters; null where there are none.
  Json bits_per_weight() const;
};
TensorTotals tensor_totals(std::span<const io::TensorInfo> tensors);

// [{name, shape, format, bits_per_weight, bytes}]; with several formats "int6/64 + int4/64", and parts: [{format,
// rows}].
Json tensor_list(std::span<const io::TensorInfo> tensors);

}  // namespace lowbit::cli

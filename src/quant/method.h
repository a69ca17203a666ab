// The joint of rounding methods: rows of one weight matrix, what is known about their inputs, and a format -> codes.
//
// Methods are rows of methods.inc. Rows of a matrix are independent: the codes and errors of a row are the same bits
// for any number of threads and any split of the matrix into slabs, so that a large matrix may be solved slab by
// slab. The one thing that rows share, a scale of the whole tensor, is made first, by prepare() (round/row_scales.h).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/threads.h"
#include "formats/format.h"
#include "quant/round/row_scales.h"
#include "tensor/packed.h"

namespace lowbit::quant {

class GptqFactor;

struct MethodOptions {
  ScaleOptions scales;
  // GPTQ (Frantar et al. 2022, arXiv 2210.17323)
  double damping = 0.01;  // times the mean of diag(H), added to diag(H); raised tenfold while H cannot be factored
  bool act_order = true;  // visit columns by falling diag(H); scales stay in natural order ("static groups")
  int64_t block = 128;    // columns whose updates are delayed together; does not change the result but for rounding
  // Sweeps of coordinate descent over the codes after GPTQ, each change lowering the damped error; 0: none.
  int descent_sweeps = 3;
};

struct MethodInput {
  std::span<const float> weights;  // [rows][cols]
  int64_t rows = 0, cols = 0;
  const formats::Format* format = nullptr;
  TensorScales tensor;  // of prepare() over the whole tensor; unused without a tensor level
  // H = sum of x x^T over tokens, [cols][cols], symmetric; may be empty where the method needs none.
  std::span<const float> second_moments;
  // [cols] importance of columns where no second moments are known (an importance matrix); may be empty.
  std::span<const float> importance;
  // The factorization of second_moments under options.damping and act_order, where the caller shares one among
  // formats; null: the method makes its own.
  const GptqFactor* factor = nullptr;
  MethodOptions options;
  ThreadPool* threads = nullptr;
};

struct MethodOutput {
  tensor::Codes codes;
  // Per row, q the values of the codes: (w - q) H (w - q)^T with the second moments (undamped); without them
  // sum h (w - q)^2 with the importance (1 where that is empty too).
  std::vector<double> weighted_error;
  std::vector<double> squared_error;  // sum (w - q)^2
  double damping = 0;                 // the damping that was needed; 0 where none was used
  int failed_factorizations = 0;      // attempts with less damping that failed
  int64_t dead_columns = 0;           // columns whose input was never anything but zero
  int64_t unusable_weights = 0;       // NaN, infinite or beyond 2^100: rounded as 0 or as 2^100
};

struct Method {
  std::string_view name;
  bool needs_second_moments;
  std::string_view summary;
  std::string_view paper;
  Result<MethodOutput> (*solve)(const MethodInput&);
};

// The rows of methods.inc.
std::span<const Method> methods();
// Null where there is none of that name.
const Method* find_method(std::string_view name);

// Errors in sizes, format or options, as a sentence; every method starts with it.
Status check_input(const MethodInput& input);

}  // namespace lowbit::quant

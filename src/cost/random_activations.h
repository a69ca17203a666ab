// Activations for benchmarks.
#pragma once

#include <algorithm>
#include <vector>

#include "base/bits.h"
#include "base/rng.h"
#include "kernels/matmul/matmul.h"
#include "tensor/cast.h"

namespace lowbit::cost {

// Random activations as a cast leaves them, with the storage that they point to.
struct RandomActivations {
  std::vector<float> values, scales;
  std::vector<int8_t> codes;
  kernels::Activations view;

  RandomActivations(const formats::Format& format, int64_t tokens, int64_t cols, uint64_t seed) {
    Rng rng(seed, 1);
    view.format = &format;
    view.tokens = tokens;
    view.cols = cols;
    values.resize(static_cast<size_t>(tokens * cols));
    for (float& v : values) v = static_cast<float>(rng.normal());
    if (kernels::is_integer_activation(format)) {
      make_codes(rng);
    } else {
      for (int64_t t = 0; t < tokens; ++t) {
        float* row = values.data() + t * cols;
        tensor::cast_row(format, cols, row, row);
      }
    }
    view.values = values.data();
  }
  RandomActivations(const RandomActivations&) = delete;
  RandomActivations& operator=(const RandomActivations&) = delete;

 private:
  void make_codes(Rng& rng) {
    const formats::ScaleLevel& level = view.format->levels[0];
    view.group = level.group > 0 ? std::min(level.group, view.cols) : view.cols;
    const int64_t padded = round_up(view.cols, 32);
    const int planes = kernels::code_planes(*view.format);
    view.plane = planes > 1 ? padded : 0;
    view.code_stride = padded * planes;
    codes.assign(static_cast<size_t>(view.tokens * view.code_stride), 0);
    for (int64_t i = 0; i < view.tokens * view.groups(); ++i) {
      scales.push_back(tensor::stored_scale(level.scale, static_cast<float>(0.005 + 0.01 * rng.uniform())));
    }
    const int32_t most = kernels::largest_code(*view.format);
    const bool binary = kernels::is_binary_activation(*view.format);
    for (int64_t t = 0; t < view.tokens; ++t) {
      for (int64_t c = 0; c < view.cols; ++c) {
        const auto drawn = static_cast<int32_t>(rng.below(static_cast<uint64_t>(2 * most + 1))) - most;
        const int32_t code = binary && drawn == 0 ? 1 : drawn;
        int8_t* at = codes.data() + t * view.code_stride + c;
        // code = 128 * high + low, low in [-64, 64).
        const int32_t high = planes > 1 ? (code + 64) >> 7 : 0;
        at[0] = static_cast<int8_t>(code - 128 * high);
        if (planes > 1) at[view.plane] = static_cast<int8_t>(high);
        values[static_cast<size_t>(t * view.cols + c)] =
            static_cast<float>(code) * scales[static_cast<size_t>(t * view.groups() + c / view.group)];
      }
    }
    view.codes = codes.data();
    view.scales = scales.data();
  }
};

}  // namespace lowbit::cost

// Weights and second moments that look like those of a network, for the tests of this room.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "base/rng.h"
#include "base/threads.h"
#include "formats/format.h"
#include "quant/method.h"

namespace lowbit::quant {

// [rows][cols] about N(0, 0.05), one in 64 five times as large.
inline std::vector<float> sample_weights(int64_t rows, int64_t cols, uint64_t seed) {
  Rng rng(seed, 1);
  std::vector<float> out(static_cast<size_t>(rows * cols));
  for (float& w : out) w = static_cast<float>(0.05 * rng.normal() * (rng.below(64) == 0 ? 5 : 1));
  return out;
}

// Sum of x x^T over `tokens` inputs that are mixtures of cols / 4 factors plus noise, columns of unequal size.
inline std::vector<float> sample_moments(int64_t cols, int64_t tokens, uint64_t seed) {
  Rng rng(seed, 2);
  const auto n = static_cast<size_t>(cols);
  const size_t factors = n / 4 + 1;
  std::vector<double> mix(factors * n), size(n), x(n);
  for (double& m : mix) m = rng.normal();
  for (double& s : size) s = 0.1 + rng.uniform() * (rng.below(16) == 0 ? 8 : 1);
  std::vector<double> h(n * n, 0.0);
  for (int64_t t = 0; t < tokens; ++t) {
    std::fill(x.begin(), x.end(), 0.0);
    for (size_t f = 0; f < factors; ++f) {
      const double z = rng.normal();
      for (size_t c = 0; c < n; ++c) x[c] += z * mix[f * n + c];
    }
    for (size_t c = 0; c < n; ++c)
      x[c] = size[c] * (x[c] / std::sqrt(static_cast<double>(factors)) + 0.5 * rng.normal());
    for (size_t i = 0; i < n; ++i) {
      for (size_t j = 0; j < n; ++j) h[i * n + j] += x[i] * x[j];
    }
  }
  return {h.begin(), h.end()};
}

inline formats::Format format_of(std::string_view text) { return *formats::parse_format(text); }

// A whole matrix as input; the tensor level prepared. Arguments must outlive the input.
inline MethodInput input_of(const formats::Format& format, const std::vector<float>& weights, int64_t rows,
                            const std::vector<float>& moments, ThreadPool& threads) {
  MethodInput in;
  in.weights = weights;
  in.rows = rows;
  in.cols = static_cast<int64_t>(weights.size()) / rows;
  in.format = &format;
  in.second_moments = moments;
  in.threads = &threads;
  TensorRange range;
  range.add(weights);
  in.tensor = prepare(format, range, in.options.scales);
  return in;
}

// Values of the output's codes by way of the packed matrix: independent of this room.
inline std::vector<float> packed_values(const formats::Format& format, const MethodOutput& out, int64_t rows,
                                        int64_t cols) {
  auto packed = tensor::PackedMatrix::allocate(format, rows, cols);
  std::vector<float> values(static_cast<size_t>(rows * cols));
  tensor::pack_rows(out.codes, 0, rows, *packed);
  tensor::dequantize_rows(*packed, 0, rows, values.data());
  return values;
}

inline double total(const std::vector<double>& errors) {
  double sum = 0;
  for (const double e : errors) sum += e;
  return sum;
}

}  // namespace lowbit::quant

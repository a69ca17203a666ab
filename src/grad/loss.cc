#include "grad/loss.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/bits.h"
#include "base/check.h"
#include "base/rng.h"
#include "kernels/rows/rows.h"
#include "models/pooling.h"

namespace lowbit::grad {
namespace {

// exp(logit - greatest) of one row, padded to 16 as the kernel wants it; returns their sum.
float exponentials(Isa isa, std::span<const float> logits, std::vector<float>& row) {
  row.resize(static_cast<size_t>(round_up(static_cast<int64_t>(logits.size()), 16)));
  std::copy(logits.begin(), logits.end(), row.begin());
  float sum = 0.0f;
  kernels::softmax(isa, {static_cast<int64_t>(logits.size()), 1.0f, row.data(), &sum});
  return sum;
}

// The outcome that `uniform` in [0, 1) falls on, outcomes weighted by row[0, count). Sums in double, ascending.
int64_t draw(const std::vector<float>& row, int64_t count, double uniform) {
  double total = 0.0;
  for (int64_t i = 0; i < count; ++i) total += row[static_cast<size_t>(i)];
  const double target = uniform * total;
  double sum = 0.0;
  for (int64_t i = 0; i < count; ++i) {
    sum += row[static_cast<size_t>(i)];
    if (sum > target) return i;
  }
  return count - 1;  // only where logits are no numbers
}

// p - onehot(y).
void write_row(const std::vector<float>& row, float sum, int64_t y, std::span<float> out) {
  for (size_t i = 0; i < out.size(); ++i) out[i] = row[i] / sum;
  out[static_cast<size_t>(y)] -= 1.0f;
}

}  // namespace

LossGradient sampled_fisher(uint64_t seed, uint64_t stream, Isa isa) {
  return [=](std::span<const float> logits, std::span<const int32_t> tokens, int64_t vocabulary,
             std::span<float> dlogits) {
    std::vector<float> row;
    const auto width = static_cast<size_t>(vocabulary);
    LOWBIT_CHECK(logits.size() == tokens.size() * width && dlogits.size() == logits.size());
    for (size_t t = 0; t < tokens.size(); ++t) {
      const float sum = exponentials(isa, logits.subspan(t * width, width), row);
      const auto random = philox(seed, stream, t);
      const uint64_t word = (uint64_t{random[0]} << 32) | random[1];
      const int64_t y = draw(row, vocabulary, static_cast<double>(word >> 11) * 0x1p-53);
      write_row(row, sum, y, dlogits.subspan(t * width, width));
    }
  };
}

LossGradient sampled_direction(models::Pooling pooling, uint64_t seed, uint64_t stream) {
  return [=](std::span<const float> logits, std::span<const int32_t> tokens, int64_t vocabulary,
             std::span<float> dlogits) {
    const auto width = static_cast<size_t>(vocabulary);
    LOWBIT_CHECK(logits.size() == tokens.size() * width && dlogits.size() == logits.size());
    std::vector<double> unit = models::pool(logits, width, pooling), direction(width);
    double squares = 0.0, along = 0.0;
    for (const double v : unit) squares += v * v;
    if (!(squares > 0.0)) return;
    const double length = std::sqrt(squares);
    for (size_t i = 0; i < width; ++i) {
      unit[i] /= length;
      direction[i] = (philox(seed, stream, i)[0] & 1) != 0 ? 1.0 : -1.0;
      along += unit[i] * direction[i];
    }
    const double root = std::sqrt(static_cast<double>(tokens.size()));
    for (size_t t = 0; t < tokens.size(); ++t) {
      const double factor = models::pooling_share(pooling, t, tokens.size()) * root / length;
      for (size_t i = 0; i < width; ++i) {
        dlogits[t * width + i] = static_cast<float>(factor * (direction[i] - along * unit[i]));
      }
    }
  };
}

LossGradient cross_entropy(Isa isa) {
  return [=](std::span<const float> logits, std::span<const int32_t> tokens, int64_t vocabulary,
             std::span<float> dlogits) {
    std::vector<float> row;
    const auto width = static_cast<size_t>(vocabulary);
    LOWBIT_CHECK(logits.size() == tokens.size() * width && dlogits.size() == logits.size());
    for (size_t t = 0; t + 1 < tokens.size(); ++t) {
      const float sum = exponentials(isa, logits.subspan(t * width, width), row);
      LOWBIT_CHECK(tokens[t + 1] >= 0 && tokens[t + 1] < vocabulary);
      write_row(row, sum, tokens[t + 1], dlogits.subspan(t * width, width));
    }
  };
}

}  // namespace lowbit::grad

#include "grad/loss.h"

#include <algorithm>
#include <vector>

#include "base/bits.h"
#include "base/check.h"
#include "base/rng.h"
#include "kernels/rows/rows.h"

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

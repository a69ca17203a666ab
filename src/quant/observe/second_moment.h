// Second moments H = sum over tokens of x x^T of the inputs of a linear layer: what GPTQ weighs errors with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "base/threads.h"

namespace lowbit::quant {

// Every entry is one chain of fused multiply-adds over tokens in order, in float: the same bits however the tokens
// are cut into calls, for any number of threads and any instruction set.
class SecondMoment {
 public:
  explicit SecondMoment(int64_t cols);

  int64_t cols() const { return cols_; }
  int64_t tokens() const { return tokens_; }

  // x: [tokens][cols].
  void add(const float* x, int64_t tokens, ThreadPool& threads);

  // The whole symmetric matrix, [cols][cols].
  std::vector<float> matrix() const;
  std::vector<float> diagonal() const;

  // State as bytes (little-endian: cols, tokens, upper triangle row by row), for a run that resumes.
  std::vector<std::byte> save() const;
  static Result<SecondMoment> load(std::span<const std::byte> bytes);

 private:
  int64_t cols_ = 0, tokens_ = 0;
  std::vector<float> upper_;  // [cols][cols]; entries below the diagonal's tile are never touched
};

}  // namespace lowbit::quant

// Scales, minima and zero points of row blocks as fp32: what both arithmetics read before they multiply.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/matmul/plan.h"

namespace lowbit::kernels {

// Buffers that grow and stay.
template <class T>
T* sized(std::vector<T>& buffer, int64_t count) {
  if (buffer.size() < static_cast<size_t>(count)) buffer.resize(static_cast<size_t>(count));
  return buffer.data();
}

// The same from where a cache line begins: a vector of 64 bytes lies in one.
template <class T>
T* sized_lines(std::vector<T>& buffer, int64_t count) {
  constexpr int64_t kLine = 64;
  T* data = sized(buffer, count + kLine / static_cast<int64_t>(sizeof(T)));
  return reinterpret_cast<T*>((reinterpret_cast<uintptr_t>(data) + kLine - 1) / kLine * kLine);
}

struct GroupValues {
  std::vector<float> scales, minimums, zeros;  // [row blocks][groups][16]
  std::vector<int16_t> zero_points;
};

// Those of `blocks` row blocks of a format that is not plain. What the format does not have is left as it was.
void load_groups(Isa isa, const PartPlan& plan, int64_t block, int64_t blocks, GroupValues& out);

}  // namespace lowbit::kernels

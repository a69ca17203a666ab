// Floating products of bf16, two columns at once: by VDPBF16PS, whose words hold two values.
//
// The instruction adds the product of the upper halves, then that of the lower ones, each as a fused multiply-add
// does; but a subnormal is 0 to it, given or found. With the lower of two columns in the upper half it gives the bits
// of the chain of matmul.h wherever nothing is subnormal. That is known beforehand: products of numbers that are
// multiples of 2^a and of 2^b are multiples of 2^(a + b), and so are their sums, however these are rounded.
#pragma once

#include <cstdint>
#include <limits>
#include <span>

namespace lowbit::kernels {

// Of numbers that may not be paired: one is no bf16, subnormal, infinite or NaN.
constexpr int kUnpaired = std::numeric_limits<int>::min() / 2;

// The exponent of a power of two that all values are multiples of, or kUnpaired.
int common_exponent(std::span<const float> values);
int common_exponent(std::span<const uint16_t> bf16);

// Whether chains of products of such numbers may be summed in pairs.
constexpr bool may_pair(int weights, int activations) { return weights + activations >= -126; }

// The pairs of `count` values that are bf16: ceil(count / 2) words, the lower of an odd last one being 0.
void pair_up(const float* values, int64_t count, float* words);

}  // namespace lowbit::kernels

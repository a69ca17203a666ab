// Arguments of the kernels that measure what this machine can do at most: plain values only, so that ISA files may
// include them.
#pragma once

#include <cstdint>

namespace lowbit::kernels {

// Reads every byte once: *sum = sum of the 32-bit words modulo 2^32 (the words must be small enough that no partial
// sum of 2^31 arises). The bytes are read as `streams` parts side by side.
struct ReadArgs {
  const uint8_t* data;
  int64_t bytes;     // a multiple of 256 * streams
  int streams;       // 1, 2, 4 or 8
  int64_t prefetch;  // bytes ahead of the reading place; 0: left to the machine
  uint32_t* sum;
};

// Vectors that the peak kernels take one after the other; they stay in the first cache.
constexpr int kPeakSteps = 16;

// Chains of products that wait only for themselves: the rate of the arithmetic, with no memory in the way. Chain n
// sums products of every vector of w with vector n of x, of fp32 with its first number, `rounds` times. The first
// chain is written to out.
struct PeakArgs {
  int64_t rounds;
  const void* w;      // [kPeakSteps] vectors of 64 bytes: u8, fp32 or pairs of bf16
  const void* x;      // [16] vectors: s8, fp32 or pairs of bf16
  void* out;          // [16] int32 or fp32
  int64_t* products;  // multiply-adds that were done
};

}  // namespace lowbit::kernels

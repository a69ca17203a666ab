// Whole arrays into formats and back: what encode() and decode() do to each number, by vector instructions and
// threads.
//
// Every result is that of the scalar functions, for any instruction set and any number of threads. Random bits of
// element i of an array are random_word(seed, first + i).
#pragma once

#include <cstdint>
#include <span>

#include "base/cpu.h"
#include "base/rng.h"
#include "base/threads.h"
#include "formats/format.h"

namespace lowbit::formats {

// The 32 random bits of an element: word (i / 16) % 4 of Philox4x32-7 block 16 (i / 64) + i % 16 of stream 0. (So
// sixteen blocks side by side give 64 elements in order. Seven rounds: random bits are most of what a stochastic cast
// takes.)
inline uint32_t random_word(uint64_t seed, uint64_t i) {
  return philox<7>(seed, 0, i / 64 * 16 + i % 16)[i / 16 % 4];
}

struct ArrayOptions {
  CastPolicy policy;
  uint64_t seed = 0;  // of stochastic roundings
  Isa isa = active_isa();
  ThreadPool* pool = nullptr;  // null: this thread alone
  int64_t first = 0;           // index of in[0], where it is part of a longer array; a multiple of 64
};

// How the numbers of an array lie in memory.
struct Stride {
  int64_t in = 1, out = 1;  // elements from one number to the next; not 0
};

// out[i] = the value of in[i] in the format, a float (rounded to nearest where the format has values that are none).
// CHECKs that both have one length. in and out may be the same memory, else they may not overlap.
void cast_array(const ElementFormat& format, std::span<const float> in, std::span<float> out,
                const ArrayOptions& options = {});
// count numbers at in[0], in[stride.in], ...; element i of the random bits is the i-th of them.
void cast_array(const ElementFormat& format, const float* in, float* out, int64_t count, Stride stride,
                const ArrayOptions& options = {});

// out[i] = the code of in[i]; the format has at most 8 (16, 32) bits.
void encode_array(const ElementFormat& format, std::span<const float> in, std::span<uint8_t> out,
                  const ArrayOptions& options = {});
void encode_array(const ElementFormat& format, std::span<const float> in, std::span<uint16_t> out,
                  const ArrayOptions& options = {});
void encode_array(const ElementFormat& format, std::span<const float> in, std::span<uint32_t> out,
                  const ArrayOptions& options = {});
// Of doubles, each rounded once.
void encode_array(const ElementFormat& format, std::span<const double> in, std::span<uint32_t> out,
                  const ArrayOptions& options = {});

// out[i] = the value of code in[i], which has no bits beyond those of the format.
void decode_array(const ElementFormat& format, std::span<const uint8_t> in, std::span<float> out,
                  const ArrayOptions& options = {});
void decode_array(const ElementFormat& format, std::span<const uint16_t> in, std::span<float> out,
                  const ArrayOptions& options = {});
void decode_array(const ElementFormat& format, std::span<const uint32_t> in, std::span<float> out,
                  const ArrayOptions& options = {});

// The bits of bf16 numbers, of an element of at most 8 bits: the nearest, ties to even (exact for every float of at
// most 7 stored mantissa bits within the range of f32).
void decode_to_bf16(const ElementFormat& format, std::span<const uint8_t> in, std::span<uint16_t> out,
                    const ArrayOptions& options = {});

}  // namespace lowbit::formats

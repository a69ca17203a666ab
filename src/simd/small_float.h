// Floats of at most 8 bits by arithmetic, where a table of them would have to be gathered.
#pragma once

#include <cstdint>
#include <cstring>

namespace lowbit::simd {

// code -> magnitude = code & mask; its bits moved to fp32's places, `least` at least; times a power of two; NaN from
// the magnitude `nans` on; with the sign of the code's bit 31 - sign_shift where `sign` is that of fp32 (else 0).
struct SmallFloat {
  int32_t mask;
  int32_t shift;
  int32_t least;
  float factor;
  int32_t nans;
  int32_t sign_shift;
  uint32_t sign;
};

static inline float small_float(int32_t code, const SmallFloat& f) {
  const int32_t magnitude = code & f.mask;
  int32_t moved = static_cast<int32_t>(static_cast<uint32_t>(magnitude) << f.shift);
  moved = moved > f.least ? moved : f.least;
  float value;
  std::memcpy(&value, &moved, 4);
  value *= f.factor;
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  if (magnitude >= f.nans) bits = 0x7fffffff;
  bits |= static_cast<uint32_t>(code) << f.sign_shift & f.sign;
  std::memcpy(&value, &bits, 4);
  return value;
}

}  // namespace lowbit::simd

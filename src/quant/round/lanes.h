// Four floats side by side at the baseline of the target (compiler vectors), with a fixed order of operations: what
// the searches over scales are written in. The result never depends on how the compiler vectorizes.
#pragma once

#include <cstdint>
#include <cstring>

namespace lowbit::quant {

typedef float Float4 __attribute__((vector_size(16)));
typedef int32_t Int4 __attribute__((vector_size(16)));

constexpr int64_t kLanes = 4;

inline Float4 load4(const float* p) {
  Float4 out;
  std::memcpy(&out, p, sizeof out);
  return out;
}
inline void store4(float* p, Float4 x) { std::memcpy(p, &x, sizeof x); }
inline Float4 splat(float x) { return Float4{x, x, x, x}; }
inline Int4 splat_int(int32_t x) { return Int4{x, x, x, x}; }
// As minps and maxps: the second operand where either is NaN.
inline Float4 min4(Float4 a, Float4 b) { return a < b ? a : b; }
inline Float4 max4(Float4 a, Float4 b) { return a > b ? a : b; }
inline Int4 bits4(Float4 x) {
  Int4 out;
  std::memcpy(&out, &x, sizeof out);
  return out;
}
inline Float4 floats4(Int4 x) {
  Float4 out;
  std::memcpy(&out, &x, sizeof out);
  return out;
}
inline float sum4(Float4 x) { return (x[0] + x[2]) + (x[1] + x[3]); }

}  // namespace lowbit::quant

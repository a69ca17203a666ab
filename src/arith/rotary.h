// Angles of rotary positions (Su et al., arXiv 2104.09864), the same bits on every machine.
#pragma once

#include <cstdint>

namespace lowbit::arith {

// Turns of the pairs of a head.
struct Rotary {
  double base = 10000.0;
  double scale = 1.0;              // positions are multiplied by this
  int32_t dim = 0;                 // values that are turned, in pairs
  double amplitude = 1.0;          // cosines and sines are multiplied by this
  const float* factors = nullptr;  // [dim / 2], which divide the angles; null: 1
};

// cosine and sine, dim / 2 each, of position * scale * base^(-2i / dim) / factors[i], times the amplitude; computed
// in double and rounded once.
void rotary_angles(const Rotary& rotary, int64_t position, float* cosine, float* sine);

}  // namespace lowbit::arith

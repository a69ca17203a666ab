// Angles of rotary positions (Su et al., arXiv 2104.09864), the same bits on every machine.
#pragma once

#include <cstdint>

namespace lowbit::arith {

// cosine and sine, dim / 2 each, of position * scale * base^(-2i / dim), computed in double and rounded once.
void rotary_angles(double base, double scale, int32_t dim, int64_t position, float* cosine, float* sine);

}  // namespace lowbit::arith

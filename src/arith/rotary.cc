#include "arith/rotary.h"

#include "arith/functions.h"

namespace lowbit::arith {

void rotary_angles(double base, double scale, int32_t dim, int64_t position, float* cosine, float* sine) {
  const double step = -2.0 * log2(base) / static_cast<double>(dim);
  for (int32_t i = 0; i < dim / 2; ++i) {
    const double angle = static_cast<double>(position) * scale * exp2(step * static_cast<double>(i));
    cosine[i] = static_cast<float>(cos(angle));
    sine[i] = static_cast<float>(sin(angle));
  }
}

}  // namespace lowbit::arith

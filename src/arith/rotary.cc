#include "arith/rotary.h"

#include "arith/functions.h"

namespace lowbit::arith {

void rotary_angles(const Rotary& r, int64_t position, float* cosine, float* sine) {
  const double step = -2.0 * log2(r.base) / static_cast<double>(r.dim);
  for (int32_t i = 0; i < r.dim / 2; ++i) {
    double angle = static_cast<double>(position) * r.scale * exp2(step * static_cast<double>(i));
    if (r.factors != nullptr) angle /= static_cast<double>(r.factors[i]);
    cosine[i] = static_cast<float>(cos(angle) * r.amplitude);
    sine[i] = static_cast<float>(sin(angle) * r.amplitude);
  }
}

}  // namespace lowbit::arith

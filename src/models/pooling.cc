#include "models/pooling.h"

#include "base/check.h"

namespace lowbit::models {

double pooling_share(Pooling pooling, size_t t, size_t n) {
  switch (pooling) {
    case Pooling::first:
      return t == 0 ? 1.0 : 0.0;
    case Pooling::last:
      return t + 1 == n ? 1.0 : 0.0;
    case Pooling::none:
    case Pooling::mean:
      break;
  }
  return 1.0 / static_cast<double>(n);
}

std::vector<double> pool(std::span<const float> rows, size_t width, Pooling pooling) {
  LOWBIT_CHECK(width > 0 && rows.size() % width == 0);
  const size_t tokens = rows.size() / width;
  std::vector<double> sum(width, 0.0);
  for (size_t t = 0; t < tokens; ++t) {
    const double share = pooling_share(pooling, t, tokens);
    if (share == 0.0) continue;
    for (size_t i = 0; i < width; ++i) sum[i] += share * static_cast<double>(rows[t * width + i]);
  }
  return sum;
}

}  // namespace lowbit::models

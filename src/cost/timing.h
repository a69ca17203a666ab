// Times of repeated runs.
#pragma once

#include <cstdint>
#include <functional>

namespace lowbit::cost {

struct Timing {
  double seconds = 0;  // of one call: the median of the runs
  double spread = 0;   // (upper quartile - lower quartile) / median
  int runs = 0;
};

// Calls body again and again for about `seconds`, at least five runs; a run is as many calls as take a millisecond.
Timing measure(const std::function<void()>& body, double seconds);

}  // namespace lowbit::cost

// Times of repeated runs.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace lowbit::cost {

struct Timing {
  double seconds = 0;           // of one call: the median of the runs
  double spread = 0;            // (upper quartile - lower quartile) / median
  double lower = 0, upper = 0;  // the quartiles, in seconds
  int runs = 0;
};

// Calls body again and again for about `seconds`, at least `least_runs` runs; a run is as many calls as take a
// millisecond. One that takes longer than `seconds` is counted from its first call on, which otherwise warms caches.
// between: called after each run, on nobody's account.
Timing measure(const std::function<void()>& body, double seconds, int least_runs = 5,
               const std::function<void()>& between = {});

// Work that one thread did from `begin` to `end` (seconds of any clock), in any unit.
struct Stretch {
  double begin = 0, end = 0, work = 0;
};

// The most that all threads together did in any window of `seconds`, per second: what a machine can do, also where
// other programs take its processors most of the time. The window is shorter where all of it was.
double fastest_window(std::vector<Stretch> stretches, double seconds);

}  // namespace lowbit::cost

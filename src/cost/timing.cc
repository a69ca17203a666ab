#include "cost/timing.h"

#include <algorithm>
#include <chrono>
#include <vector>

namespace lowbit::cost {
namespace {

using Clock = std::chrono::steady_clock;

double time_of(const std::function<void()>& body, int64_t calls) {
  const auto begin = Clock::now();
  for (int64_t i = 0; i < calls; ++i) body();
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

}  // namespace

Timing measure(const std::function<void()>& body, double seconds) {
  constexpr double kRun = 1e-3;
  constexpr size_t kLeastRuns = 5;
  // The first call warms caches and says how many make a run.
  const double first = std::max(time_of(body, 1), 1e-9);
  const double second = first < kRun ? std::max(time_of(body, 1), 1e-9) : first;
  const int64_t calls = std::max<int64_t>(1, static_cast<int64_t>(kRun / second));
  std::vector<double> times;
  double spent = 0;
  while (times.size() < kLeastRuns || spent < seconds) {
    const double t = time_of(body, calls);
    spent += t;
    times.push_back(t / static_cast<double>(calls));
  }
  std::sort(times.begin(), times.end());
  const size_t n = times.size();
  Timing out;
  out.seconds = times[n / 2];
  out.spread = (times[n * 3 / 4] - times[n / 4]) / out.seconds;
  out.runs = static_cast<int>(n);
  return out;
}

}  // namespace lowbit::cost

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

Timing measure(const std::function<void()>& body, double seconds, int least_runs,
               const std::function<void()>& between) {
  constexpr double kRun = 1e-3;
  // The first call warms caches and says how many make a run.
  const double first = std::max(time_of(body, 1), 1e-9);
  const double second = first < kRun ? std::max(time_of(body, 1), 1e-9) : first;
  const int64_t calls = std::max<int64_t>(1, static_cast<int64_t>(kRun / second));
  std::vector<double> times;
  double spent = 0;
  if (seconds > 0 && first > seconds) times.push_back(spent = first);
  while (std::ssize(times) < least_runs || spent < seconds) {
    const double t = time_of(body, calls);
    spent += t;
    times.push_back(t / static_cast<double>(calls));
    if (between) between();
  }
  std::sort(times.begin(), times.end());
  const size_t n = times.size();
  Timing out;
  out.seconds = times[n / 2];
  out.lower = times[n / 4];
  out.upper = times[n * 3 / 4];
  out.spread = (out.upper - out.lower) / out.seconds;
  out.runs = static_cast<int>(n);
  return out;
}

double fastest_window(std::vector<Stretch> stretches, double seconds) {
  std::ranges::sort(stretches, {}, &Stretch::begin);
  double last = 0, longest = 0;
  for (const Stretch& s : stretches) {
    last = std::max(last, s.end);
    longest = std::max(longest, s.end - s.begin);
  }
  if (stretches.empty()) return 0;
  seconds = std::min(seconds, last - stretches.front().begin);
  double best = 0;
  for (const Stretch& first : stretches) {
    const double from = first.begin, to = from + seconds;
    if (to > last) break;
    // Those that began before the window, too, as far as they reach into it.
    auto at = std::ranges::lower_bound(stretches, from - longest, {}, &Stretch::begin);
    double work = 0;
    for (; at != stretches.end() && at->begin < to; ++at) {
      const double overlap = std::min(to, at->end) - std::max(from, at->begin);
      if (overlap > 0) work += at->work * overlap / (at->end - at->begin);
    }
    best = std::max(best, work / seconds);
  }
  return best;
}

}  // namespace lowbit::cost

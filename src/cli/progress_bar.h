// Progress of long work on standard error: only on a terminal, and only for what takes longer than about a second.
#pragma once

#include <chrono>
#include <mutex>
#include <string>
#include <string_view>

#include "base/progress.h"

namespace lowbit::cli {

// "loading  [#####.....]  50 %  12 s left", cut to `width` columns. total 0: the time that has passed instead.
// seconds: since the stage began.
std::string progress_line(std::string_view stage, double done, double total, double seconds, size_t width);

// "45 s", "2 min 05 s", "1 h 12 min".
std::string duration_text(double seconds);

class ProgressBar {
 public:
  ProgressBar();
  ~ProgressBar() { clear(); }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  // Empty where standard error is no terminal. Valid as long as the bar; may be called by any thread.
  ProgressFn callback();
  // Takes the bar off the screen; before anything else is printed.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;
  void show(std::string_view stage, double done, double total);

  bool terminal_ = false;
  std::mutex mutex_;
  std::string stage_;
  Clock::time_point begin_, stage_begin_, shown_;
  bool visible_ = false;
};

}  // namespace lowbit::cli

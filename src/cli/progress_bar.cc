#include "cli/progress_bar.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace lowbit::cli {
namespace {

constexpr size_t kBar = 24;
constexpr auto kWait = std::chrono::milliseconds(1000);
constexpr auto kRedraw = std::chrono::milliseconds(100);

double seconds_between(std::chrono::steady_clock::time_point a, std::chrono::steady_clock::time_point b) {
  return std::chrono::duration<double>(b - a).count();
}

size_t terminal_width() {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

}  // namespace

std::string duration_text(double seconds) {
  const auto whole = static_cast<int64_t>(std::clamp(std::ceil(seconds), 0.0, 1e9));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} h {:02} min", whole / 3600, whole / 60 % 60);
}

std::string progress_line(std::string_view stage, double done, double total, double seconds, size_t width) {
  std::string line;
  if (!(total > 0.0)) {
    line = fmt::format("{}  {}", stage, duration_text(seconds));
  } else {
    const double share = std::clamp(done / total, 0.0, 1.0);
    const auto full = static_cast<size_t>(share * static_cast<double>(kBar));
    line = fmt::format("{}  [{}{}] {:3.0f} %", stage, std::string(full, '#'), std::string(kBar - full, '.'),
                       std::floor(100.0 * share));
    if (share > 0.0 && share < 1.0) line += fmt::format("  {} left", duration_text(seconds * (1.0 - share) / share));
  }
  if (line.size() > width) line.resize(width);
  return line;
}

ProgressBar::ProgressBar() : terminal_(isatty(STDERR_FILENO) == 1), begin_(Clock::now()) {}

ProgressFn ProgressBar::callback() {
  if (!terminal_) return {};
  return [this](std::string_view stage, double done, double total) { show(stage, done, total); };
}

void ProgressBar::show(std::string_view stage, double done, double total) {
  const std::lock_guard lock(mutex_);
  const auto now = Clock::now();
  if (stage != stage_) {
    stage_ = stage;
    stage_begin_ = now;
  }
  if (now - begin_ < kWait || (visible_ && now - shown_ < kRedraw)) return;
  shown_ = now;
  visible_ = true;
  const size_t width = std::max<size_t>(terminal_width(), 2) - 1;
  fmt::print(stderr, "\r\x1b[K{}", progress_line(stage, done, total, seconds_between(stage_begin_, now), width));
  std::fflush(stderr);
}

void ProgressBar::clear() {
  const std::lock_guard lock(mutex_);
  if (visible_) {
    fmt::print(stderr, "\r\x1b[K");
    std::fflush(stderr);
  }
  visible_ = false;
}

}  // namespace lowbit::cli

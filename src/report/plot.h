// A plot that stretches with the page: shapes in SVG without aspect ratio, words and dots in HTML at percentages, so
// that type keeps its size on a phone.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lowbit::report {

struct Axis {
  double low = 0.0, high = 1.0;
  bool logarithmic = false;
  std::string title;  // HTML

  // 0 at low, 1 at high; clamped a little outside.
  double position(double value) const;
  // At most about `count` round values within the axis.
  std::vector<double> ticks(int count) const;
};

// From data; linear axes may be made to begin at zero.
Axis axis_over(const std::vector<double>& values, bool from_zero, bool logarithmic, std::string title);

class Plot {
 public:
  using Text = std::string (*)(double);  // how the tick labels of an axis are written

  Plot(Axis x, Axis y, int height) : x_(std::move(x)), y_(std::move(y)), height_(height) {}

  // Shapes are styled by a CSS class: base, low, quiet.
  void line(const std::vector<double>& xs, const std::vector<double>& ys, std::string_view style);
  // A bar from the foot of the plot to y between two values of x; `tip` may be empty. Tips are plain text.
  void bar(double from, double to, double y, std::string_view style, std::string_view tip);
  // A short stroke at the foot (height: share of the plot).
  void stroke(double x, double height, std::string_view style);
  // A full-height stripe that only shows a tip.
  void hover(double from, double to, std::string_view tip);
  // A dot with an optional letter in it.
  void dot(double x, double y, std::string_view style, std::string_view tip, std::string_view label);

  std::string html(Text x_text, Text y_text, int x_ticks = 6, int y_ticks = 5) const;

 private:
  Axis x_, y_;
  int height_;
  std::string shapes_, marks_;
};

}  // namespace lowbit::report

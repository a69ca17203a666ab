#include "report/plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "report/html.h"

namespace lowbit::report {
namespace {

constexpr double kUnits = 1000.0;  // of the SVG's view box, both ways

std::vector<double> linear_ticks(double low, double high, int count) {
  const double raw = (high - low) / count;
  if (!(raw > 0.0) || !std::isfinite(raw)) return {low};
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  double step = 10.0 * power;
  for (const double nice : {1.0, 2.0, 5.0}) {
    if (nice * power >= raw * 0.999) {
      step = nice * power;
      break;
    }
  }
  std::vector<double> ticks;
  for (double k = std::ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k += 1.0) ticks.push_back(k * step);
  return ticks;
}

std::vector<double> log_ticks(double low, double high, int count) {
  const double decades = std::log10(high / low);
  std::vector<double> ticks;
  for (double e = std::floor(std::log10(low)); e <= std::ceil(std::log10(high)); e += 1.0) {
    for (const double nice : {1.0, 2.0, 5.0}) {
      if (nice != 1.0 && decades * 3.0 > count + 1) continue;
      const double value = nice * std::pow(10.0, e);
      if (value >= low * 0.999 && value <= high * 1.001) ticks.push_back(value);
    }
  }
  const size_t stride = (ticks.size() + static_cast<size_t>(count)) / static_cast<size_t>(count + 1);
  if (stride > 1) {
    std::vector<double> kept;
    for (size_t i = 0; i < ticks.size(); i += stride) kept.push_back(ticks[i]);
    return kept;
  }
  return ticks;
}

std::string tip_attribute(std::string_view tip) {
  return tip.empty() ? "" : fmt::format(" data-tip=\"{}\"", escape(tip));
}

}  // namespace

double Axis::position(double value) const {
  double share = 0.5;
  if (logarithmic) {
    if (value > 0.0 && high > low) share = std::log(value / low) / std::log(high / low);
    if (!(value > 0.0)) share = 0.0;
  } else if (high > low) {
    share = (value - low) / (high - low);
  }
  return std::clamp(share, -0.02, 1.02);
}

std::vector<double> Axis::ticks(int count) const {
  return logarithmic ? log_ticks(low, high, count) : linear_ticks(low, high, count);
}

Axis axis_over(const std::vector<double>& values, bool from_zero, bool logarithmic, std::string title) {
  Axis axis;
  axis.logarithmic = logarithmic;
  axis.title = std::move(title);
  bool any = false;
  for (const double value : values) {
    if (logarithmic && !(value > 0.0)) continue;
    axis.low = any ? std::min(axis.low, value) : value;
    axis.high = any ? std::max(axis.high, value) : value;
    any = true;
  }
  if (!any) {
    axis.low = logarithmic ? 0.1 : 0.0;
    axis.high = 1.0;
    return axis;
  }
  if (logarithmic) {
    axis.low /= 1.25;
    axis.high *= 1.25;
    return axis;
  }
  const double margin =
      axis.high > axis.low ? 0.06 * (axis.high - axis.low) : std::max(0.5, std::abs(axis.high) / 10);
  axis.high += margin;
  axis.low = from_zero && axis.low >= 0.0 ? 0.0 : axis.low - margin;
  return axis;
}

void Plot::line(const std::vector<double>& xs, const std::vector<double>& ys, std::string_view style) {
  shapes_ += fmt::format("<polyline class=\"{}\" points=\"", style);
  for (size_t i = 0; i < std::min(xs.size(), ys.size()); ++i) {
    shapes_ += fmt::format("{}{:.1f},{:.1f}", i ? " " : "", kUnits * x_.position(xs[i]),
                           kUnits * (1.0 - y_.position(ys[i])));
  }
  shapes_ += "\"/>\n";
}

void Plot::bar(double from, double to, double y, std::string_view style, std::string_view tip) {
  const double left = kUnits * x_.position(from);
  const double top = kUnits * (1.0 - std::max(0.0, y_.position(y)));
  shapes_ +=
      fmt::format("<rect class=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\"{}/>\n", style,
                  left, top, std::max(0.0, kUnits * x_.position(to) - left), kUnits - top, tip_attribute(tip));
}

void Plot::stroke(double x, double height, std::string_view style) {
  const double at = kUnits * x_.position(x);
  shapes_ +=
      fmt::format("<path class=\"{}\" d=\"M{:.1f} {:.0f}V{:.1f}\"/>\n", style, at, kUnits, kUnits * (1.0 - height));
}

void Plot::hover(double from, double to, std::string_view tip) {
  const double left = kUnits * x_.position(from);
  shapes_ += fmt::format("<rect class=\"hover\" x=\"{:.1f}\" y=\"0\" width=\"{:.1f}\" height=\"{:.0f}\"{}/>\n", left,
                         std::max(0.0, kUnits * x_.position(to) - left), kUnits, tip_attribute(tip));
}

void Plot::dot(double x, double y, std::string_view style, std::string_view tip, std::string_view label) {
  marks_ += fmt::format("<i class=\"dot {}\" style=\"left:{:.2f}%;bottom:{:.2f}%\"{}>{}</i>\n", style,
                        100.0 * x_.position(x), 100.0 * y_.position(y), tip_attribute(tip), escape(label));
}

std::string Plot::html(Text x_text, Text y_text, int x_ticks, int y_ticks) const {
  std::string grid, labels_x, labels_y;
  for (const double tick : y_.ticks(y_ticks)) {
    const double at = y_.position(tick);
    grid += fmt::format("<path class=\"grid\" d=\"M0 {:.1f}H{:.0f}\"/>", kUnits * (1.0 - at), kUnits);
    labels_y += fmt::format("<span style=\"bottom:{:.2f}%\">{}</span>", 100.0 * at, y_text(tick));
  }
  for (const double tick : x_.ticks(x_ticks)) {
    labels_x += fmt::format("<span style=\"left:{:.2f}%\">{}</span>", 100.0 * x_.position(tick), x_text(tick));
  }
  const std::string head = y_.title.empty() ? "" : fmt::format("<figcaption>{}</figcaption>\n", y_.title);
  const std::string foot = x_.title.empty() ? "" : fmt::format("<div class=\"xtitle\">{}</div>\n", x_.title);
  return fmt::format(
      "<figure class=\"plot\">\n{}<div class=\"area\" style=\"height:{}px\">\n"
      "<svg viewBox=\"0 0 1000 1000\" preserveAspectRatio=\"none\" aria-hidden=\"true\">\n{}\n{}</svg>\n"
      "<div class=\"ys\">{}</div><div class=\"marks\">{}</div></div>\n<div class=\"xs\">{}</div>\n{}</figure>\n",
      head, height_, grid, shapes_, labels_y, marks_, labels_x, foot);
}

}  // namespace lowbit::report

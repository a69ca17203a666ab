#include "report/colour.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace lowbit::report {
namespace {

using Colour = std::array<double, 3>;  // red, green, blue, 0 to 255
using Scale = std::array<Colour, 7>;

constexpr double kLeastBits = 2.0;
constexpr double kMostBits = 8.0;

constexpr Scale kBits = {{{246, 231, 170},
                          {193, 218, 158},
                          {122, 194, 167},
                          {62, 160, 176},
                          {44, 122, 172},
                          {50, 84, 152},
                          {46, 46, 108}}};
constexpr Scale kHeat = {
    {{250, 240, 224}, {245, 213, 168}, {236, 173, 116}, {220, 126, 80}, {188, 79, 62}, {141, 45, 54}, {87, 24, 45}}};

Colour mix(const Scale& scale, double share) {
  const double position = std::clamp(share, 0.0, 1.0) * static_cast<double>(scale.size() - 1);
  const size_t below = std::min(static_cast<size_t>(position), scale.size() - 2);
  const double part = position - static_cast<double>(below);
  Colour colour;
  for (size_t i = 0; i < 3; ++i) {
    colour[i] = std::round(scale[below][i] + part * (scale[below + 1][i] - scale[below][i]));
  }
  return colour;
}

std::string style(const Scale& scale, double share) {
  const Colour c = mix(scale, share);
  const double luma = 0.299 * c[0] + 0.587 * c[1] + 0.114 * c[2];
  return fmt::format("background:#{:02x}{:02x}{:02x};color:{}", static_cast<int>(c[0]), static_cast<int>(c[1]),
                     static_cast<int>(c[2]), luma > 140.0 ? "#16181d" : "#fff");
}

std::string gradient(const Scale& scale) {
  std::string out = "linear-gradient(90deg";
  for (const Colour& c : scale) out += fmt::format(",rgb({} {} {})", c[0], c[1], c[2]);
  return out + ")";
}

}  // namespace

std::string bits_style(double bits) { return style(kBits, (bits - kLeastBits) / (kMostBits - kLeastBits)); }

std::string heat_style(double share) { return style(kHeat, share); }

std::string bits_gradient() { return gradient(kBits); }

std::string heat_gradient() { return gradient(kHeat); }

}  // namespace lowbit::report

// Shallow water in few bits: a bump of water runs round a periodic channel and breaks up into waves. Each format does
// every step of a Runge-Kutta method in its own arithmetic, with nearest and with stochastic rounding. The heights of
// the surface over the second half of the run are a distribution; it is judged by its Wasserstein distance from those
// of an ensemble in double (bumps of slightly different size and place), in units of the distance of the ensemble's
// own members. 1 is as good as double. (After the weather models of Klöwer et al. 2020 and Paxton et al. 2022.)
//
//   example_shallow_water [steps]
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "lowbit/number.h"

namespace {

constexpr int kCells = 48;
constexpr double kPi = 3.14159265358979323846;

// Height above rest (gravity 1, depth 1) and velocity, one after the other; a cell is one long.
template <class Real>
using State = std::array<Real, 2 * kCells>;

// d height = - d/dx ((1 + height) velocity), d velocity = - d/dx (height + velocity^2 / 2) + viscosity.
template <class Real>
State<Real> slope(const State<Real>& s) {
  const Real half(0.5), one(1), viscosity(0.05);
  State<Real> out;
  for (int i = 0; i < kCells; ++i) {
    const int left = (i + kCells - 1) % kCells, right = (i + 1) % kCells;
    const Real& u = s[kCells + i];
    const Real& ul = s[kCells + left];
    const Real& ur = s[kCells + right];
    out[i] = half * ((one + s[left]) * ul - (one + s[right]) * ur);
    out[kCells + i] =
        half * ((s[left] + half * ul * ul) - (s[right] + half * ur * ur)) + viscosity * ((ul - u) + (ur - u));
  }
  return out;
}

template <class Real>
State<Real> moved(const State<Real>& s, Real by, const State<Real>& k) {
  State<Real> out;
  for (int i = 0; i < 2 * kCells; ++i) out[i] = s[i] + by * k[i];
  return out;
}

template <class Real>
State<Real> runge_kutta(const State<Real>& s, double dt) {
  const Real half(dt / 2), full(dt), sixth(dt / 6), two(2);
  const State<Real> k1 = slope(s);
  const State<Real> k2 = slope(moved(s, half, k1));
  const State<Real> k3 = slope(moved(s, half, k2));
  const State<Real> k4 = slope(moved(s, full, k3));
  State<Real> sum;
  for (int i = 0; i < 2 * kCells; ++i) sum[i] = k1[i] + two * (k2[i] + k3[i]) + k4[i];
  return moved(s, sixth, sum);
}

// Heights of all cells in the second half of the run, in order of size.
template <class Real>
std::vector<double> distribution(double size, double place, int steps) {
  State<Real> s;
  for (int i = 0; i < kCells; ++i) {
    const double phase = std::cos(kPi * (i - place) / kCells);
    s[i] = Real(size * std::pow(phase * phase, 8));
    s[kCells + i] = Real(0);
  }
  std::vector<double> heights;
  for (int step = 0; step < steps; ++step) {
    s = runge_kutta(s, 0.25);
    if (step < steps / 2) continue;
    for (int i = 0; i < kCells; ++i) heights.push_back(static_cast<double>(s[i]));
  }
  std::sort(heights.begin(), heights.end());
  return heights;
}

// Of two samples of one size in order: the mean distance of their quantiles.
double wasserstein(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += std::fabs(a[i] - b[i]);
  return sum / static_cast<double>(a.size());
}

struct Ensemble {
  std::vector<std::vector<double>> members;
  double spread = 0;

  explicit Ensemble(int steps) {
    for (int i = 0; i < 8; ++i) members.push_back(distribution<double>(0.28 + 0.005 * i, 3.0 * i, steps));
    double sum = 0;
    for (size_t i = 0; i < members.size(); ++i) sum += distance(members[i], i);
    spread = sum / static_cast<double>(members.size());
  }

  // Mean distance from all members but one.
  double distance(const std::vector<double>& heights, size_t except) const {
    double sum = 0;
    for (size_t i = 0; i < members.size(); ++i) sum += i == except ? 0 : wasserstein(heights, members[i]);
    return sum / static_cast<double>(members.size() - (except < members.size() ? 1 : 0));
  }
};

template <lowbit::FixedString Format>
void row(const Ensemble& ensemble, int steps) {
  lowbit::seed_rounding(1);
  const auto units = [&](const std::vector<double>& heights) {
    return ensemble.distance(heights, ensemble.members.size()) / ensemble.spread;
  };
  const double nearest = units(distribution<lowbit::Number<Format, "rne">>(0.3, 10, steps));
  const double stochastic = units(distribution<lowbit::Number<Format, "sr">>(0.3, 10, steps));
  std::printf("%-10s %4d %10.2f %10.2f\n", std::string_view(Format).data(), lowbit::Number<Format>::format().bits(),
              nearest, stochastic);
}

}  // namespace

int main(int count, char** words) {
  const int steps = count > 1 ? std::atoi(words[1]) : 800;
  const Ensemble ensemble(steps);
  std::printf("spread of the ensemble in double: %.5f\n%-10s %4s %10s %10s\n", ensemble.spread, "format", "bits",
              "nearest", "stochastic");
  row<"e5m10">(ensemble, steps);
  row<"posit16">(ensemble, steps);
  row<"bf16">(ensemble, steps);
  row<"e5m8">(ensemble, steps);
  row<"e5m6">(ensemble, steps);
  row<"e5m5">(ensemble, steps);
  row<"e5m4">(ensemble, steps);
}

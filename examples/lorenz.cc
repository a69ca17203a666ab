// Lorenz 63 in few bits. Chaos makes single trajectories useless: what a climate model has to keep is the
// distribution of its states. Each format runs the whole of a Runge-Kutta method in its own arithmetic, with nearest
// and with stochastic rounding; the distribution of x is judged by its Wasserstein distance from that of an ensemble
// in double, in units of the distance of the ensemble's own members (as Paxton et al. 2022 do). 1 is as good as
// double; rounding to nearest ends in short cycles that are no attractor.
//
//   example_lorenz [steps]
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "lowbit/number.h"

namespace {

template <class Real>
using State = std::array<Real, 3>;

template <class Real>
State<Real> slope(const State<Real>& s) {
  const Real sigma(10), rho(28), beta(8.0 / 3);
  return {sigma * (s[1] - s[0]), s[0] * (rho - s[2]) - s[1], s[0] * s[1] - beta * s[2]};
}

template <class Real>
State<Real> moved(const State<Real>& s, Real by, const State<Real>& k) {
  return {s[0] + by * k[0], s[1] + by * k[1], s[2] + by * k[2]};
}

template <class Real>
State<Real> runge_kutta(const State<Real>& s, double dt) {
  const Real half(dt / 2), full(dt), sixth(dt / 6), two(2);
  const State<Real> k1 = slope(s);
  const State<Real> k2 = slope(moved(s, half, k1));
  const State<Real> k3 = slope(moved(s, half, k2));
  const State<Real> k4 = slope(moved(s, full, k3));
  State<Real> sum;
  for (size_t i = 0; i < 3; ++i) sum[i] = k1[i] + two * (k2[i] + k3[i]) + k4[i];
  return moved(s, sixth, sum);
}

// x at every step after the first tenth, in order of size.
template <class Real>
std::vector<double> distribution(double start, int steps) {
  State<Real> s = {Real(start), Real(1), Real(20)};
  std::vector<double> xs;
  for (int i = 0; i < steps; ++i) {
    s = runge_kutta(s, 0.01);
    if (i >= steps / 10) xs.push_back(static_cast<double>(s[0]));
  }
  std::sort(xs.begin(), xs.end());
  return xs;
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
    for (int i = 0; i < 10; ++i) members.push_back(distribution<double>(1 + 0.1 * i, steps));
    double sum = 0;
    for (size_t i = 0; i < members.size(); ++i) sum += distance(members[i], i);
    spread = sum / static_cast<double>(members.size());
  }

  // Mean distance from all members but one.
  double distance(const std::vector<double>& xs, size_t except) const {
    double sum = 0;
    for (size_t i = 0; i < members.size(); ++i) sum += i == except ? 0 : wasserstein(xs, members[i]);
    return sum / static_cast<double>(members.size() - (except < members.size() ? 1 : 0));
  }
};

template <lowbit::FixedString Format>
void row(const Ensemble& ensemble, int steps) {
  lowbit::seed_rounding(1);
  const auto units = [&](const std::vector<double>& xs) {
    return ensemble.distance(xs, ensemble.members.size()) / ensemble.spread;
  };
  const double nearest = units(distribution<lowbit::Number<Format, "rne">>(1, steps));
  const double stochastic = units(distribution<lowbit::Number<Format, "sr">>(1, steps));
  std::printf("%-10s %4d %10.2f %10.2f\n", std::string_view(Format).data(), lowbit::Number<Format>::format().bits(),
              nearest, stochastic);
}

}  // namespace

int main(int count, char** words) {
  const int steps = count > 1 ? std::atoi(words[1]) : 20000;
  const Ensemble ensemble(steps);
  std::printf("spread of the ensemble in double: %.4f\n%-10s %4s %10s %10s\n", ensemble.spread, "format", "bits",
              "nearest", "stochastic");
  row<"e5m10">(ensemble, steps);
  row<"bf16">(ensemble, steps);
  row<"posit16">(ensemble, steps);
  row<"e5m8">(ensemble, steps);
  row<"e5m6">(ensemble, steps);
  row<"e5m5">(ensemble, steps);
  row<"posit12">(ensemble, steps);
  row<"e5m4">(ensemble, steps);
  row<"posit10">(ensemble, steps);
}

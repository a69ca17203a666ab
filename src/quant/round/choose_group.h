// Scale, and minimum or zero point, of one group of weights: by the largest magnitude, or by a search for the least
// weighted squared error. Errors are always those of the rounded scale (and minimum) on their own grids.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "quant/round/element_grid.h"

namespace lowbit::quant {

// amax: from the extreme values alone. error: amax first, then whatever has a lower weighted squared error.
enum class ScaleSearch : uint8_t { amax, error };

struct ScaleOptions {
  ScaleSearch search = ScaleSearch::error;
  // The scales tried: `steps` of them around the one that just covers the extremes, from that times 1 + highest / n
  // down to that times 1 - lowest / n, n the range of the element in its last steps (15 for 4-bit integers); further
  // down while that helps.
  int steps = 20;
  double lowest = 6, highest = 1;
  // Rounds of a least-squares fit of scale and minimum to the codes, the codes chosen anew after each.
  int refits = 3;
  // Power-of-two scales: the least X with amax <= threshold * X, in units of the element (for e2m1: 6 never clips, 7
  // rounds the scale to even, 8 is the floor of OCP MX 1.0; from the first power of two beyond the largest value on,
  // amax < threshold * X, so that exact powers agree with the floor). Default: the largest value and 5/8 of the last
  // step of the element, 7.25 for e2m1.
  std::optional<double> power_of_two_threshold;
};

constexpr int kMostLevels = 8;

// What the raw scale (or minimum) of a group is multiplied by, from the inside out, each product rounded to float.
struct OuterFactors {
  std::array<float, kMostLevels> factors{};
  int count = 0;

  void push(float factor) { factors[static_cast<size_t>(count++)] = factor; }
  float apply(float raw) const {
    for (int i = 0; i < count; ++i) raw *= factors[static_cast<size_t>(i)];
    return raw;
  }
  double product() const {
    double p = 1;
    for (int i = 0; i < count; ++i) p *= static_cast<double>(factors[static_cast<size_t>(i)]);
    return p;
  }
};

// What is the same for all groups of a format.
struct GroupRules {
  const ElementGrid* element = nullptr;
  const ElementGrid* scale = nullptr;
  const ElementGrid* minimum = nullptr;  // null: none
  bool zero_point = false;
  bool negative_scales = false;  // a scale may be negative (worth it where the element is not symmetric)
  int minimum_sign = 0;          // 0: any; -1, 1: minima of this sign or zero only
  // The values of the element that the extremes of a group are put on: its own, unless they are so large that scales
  // would leave the range of the scale's format.
  float top_low = 0, top_high = 0;
};

// Weights of a group and their importance, both padded to a multiple of 4 (importance 0 there, any finite weight).
struct GroupData {
  const float* weights = nullptr;
  const float* importance = nullptr;
  int64_t padded = 0;
  float least = 0, most = 0;  // of the true weights
};

struct GroupScale {
  float raw_scale = 0, raw_minimum = 0;  // on the grids of the level
  float scale = 0, minimum = 0;          // times the outer factors
  int32_t zero_point = 0;
  float error = 0;  // sum of importance * (weight - value)^2; 0 under amax
};

// Weights must be finite and at most 2^100 in magnitude. With a hint (its scale and minimum, not the raw ones) the
// search starts from there and tries no grid of factors.
GroupScale choose_group(const GroupRules& rules, const OuterFactors& scales, const OuterFactors& minimums,
                        const GroupData& data, const ScaleOptions& options, const GroupScale* hint = nullptr);

// The raw power-of-two scale for the largest magnitude `amax` (already divided by outer factors).
float power_of_two_scale(const ElementGrid& element, double amax, const std::optional<double>& threshold);

// sum of importance * (weight - value)^2 with the nearest codes under this scale, minimum and zero point.
float group_error(const ElementGrid& element, const GroupData& data, float scale, float minimum, int32_t zero_point);

// Sums over one group with the nearest codes: h importance, x weight, v value of the code less the zero point. What
// least squares for x ~ scale * v + minimum needs.
struct GroupSums {
  double h = 0, hx = 0, hxx = 0, hv = 0, hxv = 0, hvv = 0;
};
GroupSums group_sums_of(const ElementGrid& element, const GroupData& data, float scale, float minimum,
                        int32_t zero_point);

// Values round((x - minimum) / scale + zero point) of the grid, [padded]. scale 0 stands for "everything is 0".
void group_codes_values(const ElementGrid& element, const GroupData& data, float scale, float minimum,
                        int32_t zero_point, float* values);

}  // namespace lowbit::quant

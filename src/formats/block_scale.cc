#include "formats/block_scale.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "formats/exact.h"

namespace lowbit::formats {
namespace {

double largest_value(const ElementFormat& element) {
  return std::fabs(decode_exact(element, element.max_code()).to_double());
}

// Of a level. The outer ones know the rules for powers of two and amax: trials are made with the innermost scales.
ScaleRule rule_of(const Format& format, const BlockOptions& options, size_t level) {
  const bool power = is_power_of_two(format.levels[level].scale);
  const ScaleRule own = power ? ScaleRule::threshold : ScaleRule::amax;
  if (options.rule == ScaleRule::automatic || level == 0) {
    return options.rule == ScaleRule::automatic ? own : options.rule;
  }
  return power && options.rule <= ScaleRule::threshold ? options.rule : own;
}

// The step below the largest value.
double last_step(const ElementFormat& element) {
  const double most = largest_value(element);
  const double below =
      decode_exact(element, encode(element, std::nextafter(most, 0.0), {Rounding::down, {}})).to_double();
  return most - below;
}

// Bits behind the point of the element's significand, as the rule `even` counts them.
int mantissa_of(const ElementFormat& element) {
  return element.kind == ElementKind::floating ? element.mantissa_bits : std::max(element.bits - 2, 0);
}

// The largest scales of the levels inside, multiplied (256 for four over six, so that 3/2 of it is there too).
double reach_of(const Format& format, const BlockOptions& options, size_t level) {
  double reach = 1;
  for (size_t i = 0; i < level; ++i) {
    const double largest = largest_value(format.levels[i].scale);
    reach *= i == 0 && options.rule == ScaleRule::four_over_six ? std::min(largest, 256.0) : largest;
  }
  return reach;
}

}  // namespace

bool is_power_of_two(const ElementFormat& scale) {
  return scale.kind == ElementKind::floating && scale.mantissa_bits == 0 && !scale.is_signed;
}

double greatest_finite(std::span<const float> block) {
  double a = 0;
  for (const float x : block) {
    if (std::isfinite(x)) a = std::max(a, static_cast<double>(std::fabs(x)));
  }
  return a;
}

bool holds_nan(std::span<const float> block) {
  return std::any_of(block.begin(), block.end(), [](float x) { return std::isnan(x); });
}

Chooser::Chooser(const Format& f, const BlockOptions& options, size_t level)
    : element(f.element),
      scale(f.levels[level].scale),
      rule(rule_of(f, options, level)),
      is_inner(level == 0),
      mantissa(mantissa_of(element)),
      most_code(static_cast<int>(scale.max_code())) {
  const double reach = reach_of(f, options, level);
  most = largest_value(element) * reach;
  exponent = std::ilogb(most);
  threshold = rule == ScaleRule::round_up ? most
              : options.threshold > 0     ? options.threshold * reach
                                          : most + 0.625 * last_step(element) * reach;
  below = threshold < std::ldexp(1.0, exponent + 1);
}

int Chooser::power(double a) const {
  const int floor = std::ilogb(a);
  switch (rule) {
    case ScaleRule::ceil:
      return floor + (std::ldexp(1.0, floor) == a ? 0 : 1) - exponent;
    case ScaleRule::even:
      return std::ilogb(a + std::ldexp(1.0, floor - mantissa - 1)) - exponent;
    case ScaleRule::round_up:
    case ScaleRule::threshold: {
      int up = 0;
      const double part = std::frexp(a / threshold, &up);  // in [1/2, 1)
      return part == 0.5 && below ? up - 1 : up;
    }
    default:
      return floor - exponent;
  }
}

double Chooser::wanted(double a, float outer) const {
  const auto outside = static_cast<double>(outer);
  if (rule == ScaleRule::amax) {
    // What reaches far beyond the range of float stands at outer levels only.
    const double divisor = most * outside;
    return a / (is_inner ? static_cast<double>(static_cast<float>(divisor)) : divisor);
  }
  // A ratio that is a power of two itself, also where the outer scale is none.
  if (is_power_of_two(scale)) return std::ldexp(1.0, power(a / outside));
  const double factor = rule == ScaleRule::four_thirds ? 4.0 / 3.0 : 1.0;
  return std::ldexp(1.0, power(a)) * factor / outside;
}

double Chooser::squared_error(std::span<const float> block, float total_scale, const CastPolicy& policy) const {
  double sum = 0;
  for (const float x : block) {
    if (!std::isfinite(x)) continue;
    const double q = total_scale != 0 ? static_cast<double>(x) / static_cast<double>(total_scale) : 0.0;
    const double d =
        static_cast<double>(x) - static_cast<double>(element.decode(encode(element, q, policy)) * total_scale);
    sum += d * d;
  }
  return sum;
}

uint32_t Chooser::best_of(std::span<const uint32_t> codes, std::span<const float> block, float outer) const {
  uint32_t best = codes[0];
  double least = std::numeric_limits<double>::infinity();
  for (const uint32_t code : codes) {
    const double error = squared_error(block, total(code, outer), {});
    if (error < least) {
      least = error;
      best = code;
    }
  }
  return best;
}

uint32_t Chooser::choose(std::span<const float> block, double a, float outer) const {
  if (a == 0) return stored(0.0);
  const auto outside = static_cast<double>(outer);
  std::vector<uint32_t> codes;
  if (rule == ScaleRule::four_over_six) {
    codes = {stored(a / 6 / outside), stored(a / 4 / outside)};
  } else if (rule == ScaleRule::mean_square && is_power_of_two(scale)) {
    for (const int k : {1, 0, -1}) codes.push_back(stored(std::ldexp(1.0, power(a / outside) + k)));
  } else if (rule == ScaleRule::mean_square) {
    for (int k = 60; k >= 25; --k) codes.push_back(stored(a / most * (k / 50.0) / outside));
  } else if (is_power_of_two(scale) && rule != ScaleRule::amax) {
    // What stored() makes of it.
    return static_cast<uint32_t>(std::clamp(power(a / outside) + scale.bias, 0, most_code));
  } else {
    return stored(wanted(a, outer));
  }
  return best_of(codes, block, outer);
}

}  // namespace lowbit::formats

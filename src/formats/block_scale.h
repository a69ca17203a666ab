// The scale of one block by a rule (block.h). Internal to the formats room.
#pragma once

#include <span>

#include "formats/block.h"

namespace lowbit::formats {

// A float without sign and mantissa, as e8m0.
bool is_power_of_two(const ElementFormat& scale);

// Of a block; 0 where there is none.
double greatest_finite(std::span<const float> block);
bool holds_nan(std::span<const float> block);

// Everything about a level of a format that the choice of its scales needs. m, e and t are those of block.h: of the
// element times the largest scales of the levels inside.
struct Chooser {
  const ElementFormat& element;
  const ElementFormat& scale;
  ScaleRule rule;
  bool is_inner;     // the innermost level
  double most;       // m
  int exponent;      // e
  double threshold;  // t
  bool below;        // a == t s is allowed: below the first power of two beyond m
  int mantissa;      // bits of the element, as the rule `even` counts them
  int most_code;     // of the largest scale

  Chooser(const Format& f, const BlockOptions& options, size_t level = 0);

  // The exponent of a power-of-two scale; a > 0.
  int power(double a) const;
  // The scale before it is stored, of rules that need no trial.
  double wanted(double a, float outer) const;

  uint32_t stored(double s) const { return encode(scale, s, {Rounding::nearest_even, Saturation::finite}); }
  float total(uint32_t code, float outer) const { return scale.decode(code) * outer; }

  // Whether the rule looks at all numbers of a block, not at a alone.
  bool needs_trials() const { return rule == ScaleRule::four_over_six || rule == ScaleRule::mean_square; }
  // The code of the scale of a block with the greatest magnitude a, which a scale of `outer` multiplies.
  uint32_t choose(std::span<const float> block, double a, float outer) const;

 private:
  double squared_error(std::span<const float> block, float total_scale, const CastPolicy& policy) const;
  // The code with the least squared error; the first of equals.
  uint32_t best_of(std::span<const uint32_t> codes, std::span<const float> block, float outer) const;
};

}  // namespace lowbit::formats

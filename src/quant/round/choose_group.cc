#include "quant/round/choose_group.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "quant/round/group_sums.h"

namespace lowbit::quant {
namespace {

// Below this share of the covering scale nearly all weights of a group would be clipped.
constexpr double kLeastFactor = 0.3;

// Ranges that may shrink at either end need less depth.
constexpr double kBothEnds = 0.65;

template <class R>
class GroupSearch {
 public:
  GroupSearch(const R& round, const GroupRules& rules, const OuterFactors& scales, const OuterFactors& minimums,
              const GroupData& data, const ScaleOptions& options)
      : round_(round),
        rules_(rules),
        scales_(scales),
        minimums_(minimums),
        data_(data),
        options_(options),
        scale_product_(scales.product()),
        minimum_product_(minimums.product()) {}

  GroupScale run(const GroupScale* hint) {
    start();
    if (options_.search == ScaleSearch::amax) return best_;
    best_.error = error_of(best_);
    if (rules_.element->nearest(0) != 0) try_zero_scale();
    if (data_.least == 0 && data_.most == 0) return best_;
    if (hint != nullptr) {
      try_hint(*hint);
    } else if (rules_.zero_point) {
      search_zero_point();
    } else if (rules_.minimum != nullptr) {
      search_minimum();
    } else {
      search_symmetric();
    }
    for (int i = 0; i < options_.refits; ++i) {
      if (!refit()) break;
    }
    return best_;
  }

 private:
  float error_of(const GroupScale& c) const {
    return weighted_error(round_, data_, c.scale, c.minimum, static_cast<float>(c.zero_point));
  }

  void round_scale(double scale, GroupScale& c) const {
    const double wanted = scale_product_ != 0 ? scale / scale_product_ : 0.0;
    float raw = rules_.scale->nearest(static_cast<float>(wanted));
    // Too small for the scale's format: its least value is no worse than zero.
    if (raw == 0 && wanted != 0) raw = rules_.scale->neighbour(0, wanted > 0);
    set_raw_scale(raw, c);
  }
  void set_raw_scale(float raw, GroupScale& c) const {
    c.raw_scale = raw;
    c.scale = scales_.apply(raw);
  }
  void round_minimum(double minimum, GroupScale& c) const {
    if (rules_.minimum_sign < 0) minimum = std::min(minimum, 0.0);
    if (rules_.minimum_sign > 0) minimum = std::max(minimum, 0.0);
    const double raw = minimum_product_ != 0 ? minimum / minimum_product_ : 0.0;
    set_raw_minimum(rules_.minimum->nearest(static_cast<float>(raw)), c);
  }
  void set_raw_minimum(float raw, GroupScale& c) const {
    c.raw_minimum = raw;
    c.minimum = minimums_.apply(raw);
  }
  int32_t clamp_zero(double z) const {
    const double low = static_cast<double>(rules_.element->low()), high = static_cast<double>(rules_.element->high());
    return static_cast<int32_t>(std::clamp(std::nearbyint(z), low, high));
  }

  // The least positive scale (or, mirrored, the negative one) under which no weight is beyond the values of the grid.
  double cover(int sign, double minimum) const {
    const double most = sign > 0 ? data_.most - minimum : minimum - data_.least;
    const double least = sign > 0 ? data_.least - minimum : minimum - data_.most;
    double scale = 0;
    if (rules_.top_high > 0) scale = std::max(scale, most / rules_.top_high);
    if (rules_.top_low < 0) scale = std::max(scale, least / rules_.top_low);
    return sign * scale;
  }

  double amax_scale() const {
    const double extreme = std::fabs(data_.least) > std::fabs(data_.most) ? data_.least : data_.most;
    const formats::ElementFormat& element = rules_.element->element();
    // 8 bits and more keep the range symmetric, as Q8_0 does: the gain of one more code is nothing there.
    const bool wide = element.kind != formats::ElementKind::codebook && element.bits >= 8 && rules_.top_low < 0;
    if (wide) return std::fabs(extreme) / rules_.top_high;
    if (!rules_.negative_scales || rules_.element->is_symmetric()) return cover(1, 0);
    return extreme / (rules_.top_high > -rules_.top_low ? rules_.top_high : rules_.top_low);
  }

  // The candidate from the extremes alone; the search keeps it where nothing is better.
  void start() {
    GroupScale c;
    const double range = rules_.top_high - rules_.top_low;
    if (rules_.zero_point) {
      const double least = std::min(data_.least, 0.0f), most = std::max(data_.most, 0.0f);
      round_scale((most - least) / range, c);
      c.zero_point = c.scale != 0 ? clamp_zero(rules_.top_low - least / c.scale) : 0;
    } else if (rules_.minimum != nullptr) {
      const double step = (static_cast<double>(data_.most) - data_.least) / range;
      round_minimum(data_.least - step * rules_.top_low, c);
      start_scale(cover(1, c.minimum), c);
    } else {
      start_scale(amax_scale(), c);
    }
    // Beyond the range of f32 (a huge weight in an element of tiny values): nothing but zeros is safe.
    if (!std::isfinite(c.scale) || !std::isfinite(c.minimum)) {
      set_raw_scale(rules_.scale->nearest(0), c);
      if (rules_.minimum != nullptr) set_raw_minimum(rules_.minimum->nearest(0), c);
    }
    best_ = c;
  }

  void start_scale(double scale, GroupScale& c) const {
    if (!rules_.scale->is_power_of_two() || rules_.minimum != nullptr) return round_scale(scale, c);
    double amax = data_.most;
    if (rules_.element->low() < 0) amax = std::max(amax, -static_cast<double>(data_.least));
    const double raw = scale_product_ != 0 ? amax / scale_product_ : 0.0;
    set_raw_scale(rules_.scale->nearest(power_of_two_scale(*rules_.element, raw, options_.power_of_two_threshold)),
                  c);
  }

  bool consider(const GroupScale& c) {
    if (c.scale == 0 || !std::isfinite(c.scale) || !std::isfinite(c.minimum)) return false;
    const bool same =
        c.raw_scale == best_.raw_scale && c.raw_minimum == best_.raw_minimum && c.zero_point == best_.zero_point;
    if (same) return false;
    GroupScale tried = c;
    tried.error = error_of(c);
    if (!(tried.error < best_.error)) return false;
    best_ = tried;
    return true;
  }
  bool consider_scale(double scale) {
    GroupScale c;
    round_scale(scale, c);
    if (c.raw_scale == last_raw_) return false;
    last_raw_ = c.raw_scale;
    return consider(c);
  }

  // Factors on the covering scale, from the highest down.
  struct Factors {
    double highest = 1, step = 0;
    int count = 1;
    double at(int i) const { return highest - step * i; }
  };
  Factors factors(int count, double lowest) const {
    const double codes = std::max(
        1.0, (static_cast<double>(rules_.element->high()) - rules_.element->low()) / rules_.element->top_step());
    Factors f;
    f.count = std::max(count, 1);
    if (f.count == 1) return f;
    f.highest = 1 + options_.highest / codes;
    f.step = (f.highest - std::max(kLeastFactor, 1 - lowest / codes)) / (f.count - 1);
    return f;
  }

  void search_symmetric() {
    const bool mirrored = rules_.negative_scales && !rules_.element->is_symmetric();
    for (const int sign : {1, -1}) {
      if (sign < 0 && !mirrored) break;
      const double base = cover(sign, 0);
      if (base == 0) continue;
      // The best is among the lowest so far: go on, for long-tailed groups.
      const Factors f = factors(options_.steps, options_.lowest);
      int last = f.count;
      for (int i = 0; i < last && f.at(i) > 0; ++i) {
        if (consider_scale(base * f.at(i)) && f.step > 0) last = std::max(last, i + 3);
      }
    }
  }

  // Elements without a zero need the scale for it.
  void try_zero_scale() {
    GroupScale c = best_;
    set_raw_scale(rules_.scale->nearest(0), c);
    c.error = error_of(c);
    if (c.error < best_.error) best_ = c;
  }

  void search_minimum() {
    const double range = static_cast<double>(data_.most) - data_.least;
    const double span = rules_.top_high - rules_.top_low;
    const Factors tried = factors(options_.steps / 2, kBothEnds * options_.lowest);
    for (int i = 0; i < tried.count; ++i) {
      const double f = tried.at(i);
      for (const double share : {0.5, 0.0, 1.0}) {  // of the cut, at the lower end
        const double scale = f * range / span;
        const double least = data_.least + share * (1 - f) * range;
        fit_both(static_cast<float>(scale), static_cast<float>(least - scale * rules_.top_low));
      }
      if (rules_.top_low < 0) consider_scale(f * cover(1, 0));  // a signed element may do best without a minimum
    }
  }

  // Codes under (scale, minimum), then the least-squares scale and minimum for these codes.
  bool fit_both(float scale, float minimum) {
    if (!(scale > 0)) return false;
    const GroupSums s = group_sums(round_, data_, scale, minimum, 0);
    const double determinant = s.h * s.hvv - s.hv * s.hv;
    if (!(determinant > 0) || !std::isfinite(determinant)) return false;
    const double fitted = (s.h * s.hxv - s.hv * s.hx) / determinant;
    // The error of these codes under the unrounded fit tells which ones are worth a look; it is a small difference of
    // large sums of floats.
    const double residual = s.hxx - fitted * s.hxv - (s.hx - fitted * s.hv) / s.h * s.hx;
    if (residual - 1e-6 * s.hxx > 1.03 * static_cast<double>(best_.error)) return false;
    GroupScale c;
    round_scale(fitted, c);
    if (c.scale < 0 && !rules_.negative_scales) return false;
    round_minimum((s.hx - c.scale * s.hv) / s.h, c);
    bool improved = consider(c);
    // The minimum as rounded wants another scale where its grid is coarse.
    if (!rules_.minimum->is_coarse() && !(c.minimum == 0)) return improved;
    if (s.hvv > 0) round_scale((s.hxv - c.minimum * s.hv) / s.hvv, c);
    return consider(c) || improved;
  }

  void search_zero_point() {
    const double range = static_cast<double>(data_.most) - data_.least;
    const double span = rules_.top_high - rules_.top_low;
    const Factors tried = factors(options_.steps / 2, kBothEnds * options_.lowest);
    for (int i = 0; i < tried.count; ++i) {
      const double f = tried.at(i);
      for (const double share : {0.5, 0.0, 1.0}) {
        const double scale = f * range / span;
        if (scale == 0) continue;
        GroupScale c;
        round_scale(scale, c);
        if (c.scale == 0) continue;
        const double least = data_.least + share * (1 - f) * range;
        c.zero_point = clamp_zero(rules_.top_low - least / c.scale);
        consider(c);
      }
    }
  }

  void try_hint(const GroupScale& hint) {
    GroupScale c;
    round_scale(hint.scale, c);
    if (rules_.minimum != nullptr) round_minimum(hint.minimum, c);
    c.zero_point = hint.zero_point;
    consider(c);
  }

  // One round of least squares on the present codes; whether anything became better.
  bool refit() {
    if (best_.scale == 0) return false;
    const auto zero = static_cast<float>(best_.zero_point);
    const GroupSums s = group_sums(round_, data_, best_.scale, best_.minimum, zero);
    bool improved = false;
    GroupScale c = best_;
    if (s.hvv > 0) {
      round_scale((s.hxv - best_.minimum * s.hv) / s.hvv, c);
      improved = consider(c) || improved;
    }
    if (rules_.minimum != nullptr) improved = fit_both(best_.scale, best_.minimum) || improved;
    if (rules_.zero_point && s.h > 0) {
      c = best_;
      c.zero_point = clamp_zero(zero + (s.hv - s.hx / best_.scale) / s.h);
      improved = consider(c) || improved;
    }
    if (rules_.scale->is_coarse()) improved = try_neighbours(true) || improved;
    if (rules_.minimum != nullptr && rules_.minimum->is_coarse()) improved = try_neighbours(false) || improved;
    return improved;
  }

  bool try_neighbours(bool of_scale) {
    bool improved = false;
    for (const bool above : {true, false}) {
      GroupScale c = best_;
      if (of_scale) {
        set_raw_scale(rules_.scale->neighbour(c.raw_scale, above), c);
      } else {
        set_raw_minimum(rules_.minimum->neighbour(c.raw_minimum, above), c);
        if (c.minimum * static_cast<float>(rules_.minimum_sign) < 0) continue;
      }
      improved = consider(c) || improved;
    }
    return improved;
  }

  const R& round_;
  const GroupRules& rules_;
  const OuterFactors& scales_;
  const OuterFactors& minimums_;
  const GroupData& data_;
  const ScaleOptions& options_;
  double scale_product_, minimum_product_;
  float last_raw_ = std::numeric_limits<float>::quiet_NaN();
  GroupScale best_;
};

}  // namespace

GroupScale choose_group(const GroupRules& rules, const OuterFactors& scales, const OuterFactors& minimums,
                        const GroupData& data, const ScaleOptions& options, const GroupScale* hint) {
  return std::visit(
      [&](const auto& round) {
        return GroupSearch<std::decay_t<decltype(round)>>(round, rules, scales, minimums, data, options).run(hint);
      },
      rules.element->rounder());
}

float power_of_two_scale(const ElementGrid& element, double amax, const std::optional<double>& threshold) {
  if (!(amax > 0)) return 0;
  const double high = element.high() > 0 ? element.high() : -element.low();
  const double tau = threshold ? *threshold : high + 0.625 * element.top_step();
  const double beyond = std::ldexp(1.0, std::ilogb(high) + 1);
  int exponent = 0;
  const double part = std::frexp(amax / tau, &exponent);  // in [1/2, 1): amax/tau = part * 2^exponent
  if (part == 0.5 && tau < beyond) --exponent;            // equality is allowed below, not from there on
  return static_cast<float>(std::ldexp(1.0, std::clamp(exponent, -149, 127)));
}

float group_error(const ElementGrid& element, const GroupData& data, float scale, float minimum, int32_t zero_point) {
  return std::visit(
      [&](const auto& round) { return weighted_error(round, data, scale, minimum, static_cast<float>(zero_point)); },
      element.rounder());
}

GroupSums group_sums_of(const ElementGrid& element, const GroupData& data, float scale, float minimum,
                        int32_t zero_point) {
  return std::visit(
      [&](const auto& round) { return group_sums(round, data, scale, minimum, static_cast<float>(zero_point)); },
      element.rounder());
}

void group_codes_values(const ElementGrid& element, const GroupData& data, float scale, float minimum,
                        int32_t zero_point, float* values) {
  std::visit(
      [&](const auto& round) {
        const CodeMap map(scale, minimum, static_cast<float>(zero_point));
        for (int64_t i = 0; i < data.padded; i += kLanes)
          store4(values + i, map.grid(round, load4(data.weights + i)));
      },
      element.rounder());
}

}  // namespace lowbit::quant

#include "quant/round/row_scales.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/bits.h"
#include "base/check.h"

namespace lowbit::quant {
namespace {

using formats::ElementFormat;
using formats::kGroupRow;
using formats::kGroupTensor;
using formats::ScaleLevel;

// What the largest inner ideal is put on: the largest value, but 1 for formats of a range so wide that dividing by
// their largest value would leave the range of the level outside.
double level_top(const ElementGrid& grid) { return grid.high() > 65504.0f ? 1.0 : static_cast<double>(grid.high()); }

// Signs and extremes; the grids are set by ScalePlan::rules().
GroupRules make_signs(const formats::Format& format, const ElementGrid& element) {
  GroupRules rules;
  rules.top_low = element.low();
  rules.top_high = element.high();
  const ScaleLevel& inner = format.levels[0];
  rules.zero_point = inner.zero_point;
  rules.negative_scales = inner.scale.is_signed;
  if (inner.minimum && !inner.minimum->is_signed) {
    const bool signed_outside = std::any_of(format.levels.begin() + 1, format.levels.end(),
                                            [](const ScaleLevel& l) { return l.minimum && l.minimum->is_signed; });
    rules.minimum_sign = signed_outside ? -1 : 1;
  }
  // amax on the largest value of e5m2 or bf16 would make f16 scales subnormal or zero.
  const bool wide_scales = std::all_of(format.levels.begin(), format.levels.end(),
                                       [](const ScaleLevel& l) { return l.scale.exponent_bits >= 8; });
  if (element.high() > 4096.0f && !wide_scales) {
    rules.top_high = 1;
    rules.top_low = element.low() < 0 ? -1.0f : 0.0f;
  }
  return rules;
}

// An outer scale of few digits rounds up: the inner codes must reach the largest inner scale.
float nearest_outer(const ElementGrid& grid, double ideal) {
  const auto wanted = static_cast<float>(ideal);
  float raw = grid.nearest(wanted);
  if ((grid.is_power_of_two() || grid.is_coarse()) && raw < wanted) raw = grid.neighbour(raw, true);
  if (raw == 0 && wanted > 0) raw = grid.neighbour(0, true);
  return raw;
}

// An f32 that is the nearest to the reciprocal of another, at most one step away (applied twice it changes nothing):
// checkpoints that keep the reciprocal of a scale (compressed-tensors' NVFP4) say it exactly.
float reciprocal_of_float(float scale) {
  const float other = 1.0f / (1.0f / scale);
  return scale > 0.0f && std::isfinite(other) && other > 0.0f ? other : scale;
}

GroupData two_values(const TensorRange& range, float* weights, float* importance) {
  weights[0] = range.least;
  weights[1] = range.most;
  weights[2] = weights[3] = range.least;
  importance[0] = importance[1] = 1;
  importance[2] = importance[3] = 0;
  return {weights, importance, kLanes, range.least, range.most};
}

}  // namespace

void TensorRange::add(std::span<const float> weights) {
  for (const float w : weights) {
    const float x = usable_weight(w);
    least = std::min(least, x);
    most = std::max(most, x);
  }
}

TensorScales prepare(const formats::Format& format, const TensorRange& range, const ScaleOptions& options) {
  TensorScales out;
  if (format.levels.empty() || format.levels.back().group != kGroupTensor) return out;
  const ScalePlan plan(format, 1);
  const auto& levels = plan.levels_;
  ScaleOptions amax = options;
  amax.search = ScaleSearch::amax;
  float weights[kLanes], importance[kLanes];
  const GroupData data = two_values(range, weights, importance);
  const bool only = levels.size() == 1;
  const GroupScale c = choose_group(plan.rules(!only), {}, {}, data, amax);
  out = {c.raw_scale, c.raw_minimum, c.zero_point};
  if (only) return out;
  double scale = std::fabs(static_cast<double>(c.scale)), minimum = c.minimum;
  for (size_t i = 0; i + 1 < levels.size(); ++i) {
    scale /= level_top(levels[i].scale);
    minimum /= level_top(levels[i].minimum ? *levels[i].minimum : levels[i].scale);
  }
  out.zero_point = 0;
  out.raw_scale = nearest_outer(levels.back().scale, scale);
  if (format.levels.back().scale.bits == 32) out.raw_scale = reciprocal_of_float(out.raw_scale);
  if (levels.back().minimum) out.raw_minimum = levels.back().minimum->nearest(static_cast<float>(minimum));
  return out;
}

ScalePlan::ScalePlan(const formats::Format& format, int64_t cols)
    : format_(format), cols_(cols), element_(format.element), free_(formats::ElementFormat{}) {
  for (const ScaleLevel& level : format.levels) {
    const int64_t columns = level.group > 0 ? std::min(level.group, cols) : cols;
    const int64_t children = levels_.empty() ? 1 : ceil_div(columns, levels_[0].columns);
    levels_.push_back({columns, ceil_div(cols, columns), children, ElementGrid(level.scale), std::nullopt});
    if (level.minimum) levels_.back().minimum.emplace(*level.minimum);
  }
  if (!levels_.empty()) signs_ = make_signs(format_, element_);
  padded_ = round_up(group_columns(), kLanes);
}

Result<ScalePlan> ScalePlan::make(const formats::Format& format, int64_t cols, std::span<const float> importance,
                                  const TensorScales& tensor, const ScaleOptions& options) {
  LOWBIT_CHECK(cols > 0 && (importance.empty() || importance.size() == static_cast<size_t>(cols)));
  if (format.levels.size() > kMostLevels) {
    return errorf("format {} has {} levels of scaling, at most {} are supported", formats::print(format),
                  format.levels.size(), kMostLevels);
  }
  if (format.element.bits > 16) {
    return errorf("format {} cannot be rounded to: its elements are {} bits wide, expected at most 16",
                  formats::print(format), format.element.bits);
  }
  ScalePlan plan(format, cols);
  plan.tensor_ = tensor;
  plan.options_ = options;
  const int64_t columns = plan.group_columns();
  plan.importance_.assign(static_cast<size_t>(plan.group_count() * plan.padded_), 0.0f);
  for (int64_t c = 0; c < cols; ++c) {
    const float h = importance.empty() ? 1.0f : importance[static_cast<size_t>(c)];
    plan.importance_[static_cast<size_t>(c / columns * plan.padded_ + c % columns)] = h;
  }
  return plan;
}

GroupRules ScalePlan::rules(bool free) const {
  GroupRules out = signs_;
  out.element = &element_;
  out.scale = free ? &free_ : &levels_[0].scale;
  if (levels_[0].minimum) out.minimum = free ? &free_ : &*levels_[0].minimum;
  return out;
}

GroupData ScalePlan::group_data(const Scratch& scratch, int64_t group) const {
  GroupData data;
  data.weights = scratch.weights.data() + group * padded_;
  data.importance = importance_.data() + group * padded_;
  data.padded = padded_;
  const int64_t columns = std::min(group_columns(), cols_ - group * group_columns());
  data.least = data.most = data.weights[0];
  for (int64_t i = 1; i < columns; ++i) {
    data.least = std::min(data.least, data.weights[i]);
    data.most = std::max(data.most, data.weights[i]);
  }
  return data;
}

// The factors outside of innermost group `group`. A level without a minimum applies its scale to both.
void ScalePlan::outer_factors(const RowScales& row, int64_t group, OuterFactors& scales,
                              OuterFactors& minimums) const {
  for (size_t k = 1; k < levels_.size(); ++k) {
    const auto at = static_cast<size_t>(group / levels_[k].children);
    scales.push(row.raw_scales[k][at]);
    minimums.push(levels_[k].minimum ? row.raw_minimums[k][at] : row.raw_scales[k][at]);
  }
}

void ScalePlan::choose(const float* row, Scratch& scratch, RowScales& out) const {
  const auto groups = static_cast<size_t>(group_count());
  const int64_t columns = group_columns();
  scratch.weights.assign(groups * static_cast<size_t>(padded_), 0.0f);
  for (int64_t g = 0; g < group_count(); ++g) {
    std::copy(row + g * columns, row + std::min(cols_, (g + 1) * columns), scratch.weights.begin() + g * padded_);
  }
  out.raw_scales.resize(levels_.size());
  out.raw_minimums.resize(levels_.size());
  for (size_t k = 0; k < levels_.size(); ++k) {
    out.raw_scales[k].assign(static_cast<size_t>(levels_[k].groups), 0.0f);
    out.raw_minimums[k].assign(levels_[k].minimum ? static_cast<size_t>(levels_[k].groups) : 0, 0.0f);
  }
  if (has_tensor_level()) {
    out.raw_scales.back()[0] = tensor_.raw_scale;
    if (levels_.back().minimum) out.raw_minimums.back()[0] = tensor_.raw_minimum;
  }
  scratch.inner.assign(groups, GroupScale{});
  if (levels_.empty()) {
    scratch.inner[0].scale = 1;
  } else if (row_levels() == 0) {
    scratch.inner[0] = {tensor_.raw_scale,   tensor_.raw_minimum, tensor_.raw_scale,
                        tensor_.raw_minimum, tensor_.zero_point,  0};
  } else if (row_levels() == 1) {
    choose_single(scratch, out);
  } else {
    choose_nested(scratch, out);
  }
  store(scratch, out);
}

void ScalePlan::choose_single(Scratch& scratch, RowScales& out) const {
  const GroupRules rules = this->rules(false);
  OuterFactors scales, minimums;
  outer_factors(out, 0, scales, minimums);
  for (int64_t g = 0; g < group_count(); ++g) {
    scratch.inner[static_cast<size_t>(g)] = choose_group(rules, scales, minimums, group_data(scratch, g), options_);
  }
}

void ScalePlan::choose_nested(Scratch& scratch, RowScales& out) const {
  const GroupRules free = rules(true);
  scratch.ideal.resize(scratch.inner.size());
  for (int64_t g = 0; g < group_count(); ++g) {
    scratch.ideal[static_cast<size_t>(g)] = choose_group(free, {}, {}, group_data(scratch, g), options_);
  }
  set_outer(scratch, out);
  for (int64_t outer = 0; outer < levels_[1].groups; ++outer) {
    const int64_t first = outer * levels_[1].children;
    choose_inner(first, std::min(first + levels_[1].children, group_count()), scratch, out);
    if (options_.search == ScaleSearch::error) refine_outer(outer, scratch, out);
  }
}

// Outer scales of the ideal inner ones: ideals from the inside out, then rounded from the outside in.
void ScalePlan::set_outer(const Scratch& scratch, RowScales& out) const {
  const size_t levels = row_levels();
  std::vector<std::vector<double>> scale(levels), minimum(levels);
  // A minimum of few digits may be worth nothing to a signed element: then the scale alone has to reach the extremes.
  const bool alone = levels_[0].minimum && levels_[0].minimum->is_coarse() && element_.low() < 0;
  const double top = rules(true).top_high;
  for (int64_t g = 0; g < group_count(); ++g) {
    const GroupScale& c = scratch.ideal[static_cast<size_t>(g)];
    const GroupData data = group_data(scratch, g);
    const double amax = std::max(std::fabs(data.least), std::fabs(data.most));
    const double ideal = std::fabs(static_cast<double>(c.scale));
    scale[0].push_back(alone && top > 0 ? std::max(ideal, amax / top) : ideal);
    minimum[0].push_back(c.minimum);
  }
  const ElementGrid* inner_minimum = levels_[0].minimum ? &*levels_[0].minimum : nullptr;
  for (size_t k = 1; k < levels; ++k) {
    scale[k].assign(static_cast<size_t>(levels_[k].groups), 0.0);
    minimum[k].assign(scale[k].size(), 0.0);
    for (size_t i = 0; i < scale[k - 1].size(); ++i) {
      const size_t parent =
          i * static_cast<size_t>(levels_[k - 1].children) / static_cast<size_t>(levels_[k].children);
      scale[k][parent] = std::max(scale[k][parent], scale[k - 1][i] / level_top(levels_[k - 1].scale));
      // What a level without a minimum multiplies minima by is about the largest of its scales.
      double m = minimum[k - 1][i];
      if (inner_minimum != nullptr) m /= level_top(levels_[k].minimum ? *inner_minimum : levels_[k].scale);
      if (levels_[k].minimum && inner_minimum->low() < 0) m = std::fabs(m);
      if (std::fabs(m) > std::fabs(minimum[k][parent])) minimum[k][parent] = m;
    }
    if (levels_[k].minimum) inner_minimum = &*levels_[k].minimum;
  }
  for (size_t k = levels - 1; k >= 1; --k) {
    for (size_t i = 0; i < scale[k].size(); ++i) {
      double scale_outside = 1, minimum_outside = 1;
      for (size_t o = k + 1; o < levels_.size(); ++o) {
        const size_t at = i * static_cast<size_t>(levels_[k].children) / static_cast<size_t>(levels_[o].children);
        scale_outside *= static_cast<double>(out.raw_scales[o][at]);
        minimum_outside *= static_cast<double>((levels_[o].minimum ? out.raw_minimums : out.raw_scales)[o][at]);
      }
      out.raw_scales[k][i] = nearest_outer(levels_[k].scale, scale_outside != 0 ? scale[k][i] / scale_outside : 0);
      if (!levels_[k].minimum) continue;
      const double m = minimum_outside != 0 ? minimum[k][i] / minimum_outside : 0;
      out.raw_minimums[k][i] = levels_[k].minimum->nearest(static_cast<float>(m));
    }
  }
}

// The inner groups [first, last) under the present outer values, starting from the ideals; the sum of their errors.
double ScalePlan::choose_inner(int64_t first, int64_t last, Scratch& scratch, const RowScales& out) const {
  const GroupRules rules = this->rules(false);
  double error = 0;
  for (int64_t g = first; g < last; ++g) {
    OuterFactors scales, minimums;
    outer_factors(out, g, scales, minimums);
    const GroupScale hint = scratch.ideal[static_cast<size_t>(g)];
    GroupScale& c = scratch.inner[static_cast<size_t>(g)];
    c = choose_group(rules, scales, minimums, group_data(scratch, g), options_, &hint);
    error += static_cast<double>(c.error);
  }
  return error;
}

void ScalePlan::refine_outer(int64_t outer_group, Scratch& scratch, RowScales& out) const {
  const int64_t first = outer_group * levels_[1].children;
  const int64_t last = std::min(first + levels_[1].children, group_count());
  const auto at = static_cast<size_t>(outer_group);
  double error = 0;
  for (int64_t g = first; g < last; ++g) error += static_cast<double>(scratch.inner[static_cast<size_t>(g)].error);
  std::vector<GroupScale> kept(scratch.inner.begin() + first, scratch.inner.begin() + last);
  // Sets other outer values by `change` and keeps them, with the inner ones under them, where the error falls.
  const auto improves = [&](const auto& change) {
    const float old_scale = out.raw_scales[1][at];
    const float old_minimum = levels_[1].minimum ? out.raw_minimums[1][at] : 0;
    if (!change()) return false;
    const double tried = choose_inner(first, last, scratch, out);
    if (tried < error) {
      error = tried;
      kept.assign(scratch.inner.begin() + first, scratch.inner.begin() + last);
      return true;
    }
    out.raw_scales[1][at] = old_scale;
    if (levels_[1].minimum) out.raw_minimums[1][at] = old_minimum;
    std::copy(kept.begin(), kept.end(), scratch.inner.begin() + first);
    return false;
  };
  const ElementGrid& grid = levels_[1].scale;
  // nearest_outer() went up to reach every ideal: with few digits a step down, which clips some, may lose less.
  const auto step_down = [&] {
    const float lower = grid.neighbour(out.raw_scales[1][at], false);
    if (!(lower > 0 && lower < out.raw_scales[1][at])) return false;
    out.raw_scales[1][at] = lower;
    return true;
  };
  if (grid.is_power_of_two() || grid.is_coarse()) {
    while (improves(step_down)) {
    }
  }
  for (int round = 0; round < 2; ++round) {
    if (!improves([&] { return fit_outer(outer_group, scratch, out); })) return;
  }
}

// Least squares for the scale (and minimum) of one level-1 group, its inner codes as they are; false where the
// rounded values stay the same.
bool ScalePlan::fit_outer(int64_t outer_group, const Scratch& scratch, RowScales& out) const {
  const int64_t first = outer_group * levels_[1].children;
  const int64_t last = std::min(first + levels_[1].children, group_count());
  const auto at = static_cast<size_t>(outer_group);
  const double old_scale = out.raw_scales[1][at];
  const double old_minimum = levels_[1].minimum ? out.raw_minimums[1][at] : 0;
  if (old_scale == 0) return false;
  double ss = 0, sm = 0, mm = 0, xs = 0, xm = 0;
  for (int64_t g = first; g < last; ++g) {
    const GroupScale& c = scratch.inner[static_cast<size_t>(g)];
    const GroupSums s = group_sums_of(element_, group_data(scratch, g), c.scale, c.minimum, c.zero_point);
    // Regressors: `scale` times the value of each code, which moves the minimum too where both have one factor, and
    // `minimum`.
    const double scale = c.scale / old_scale;
    const double tied = levels_[1].minimum ? 0 : c.minimum / old_scale;
    const double minimum = old_minimum != 0 ? c.minimum / old_minimum : 0;
    ss += scale * scale * s.hvv + 2 * scale * tied * s.hv + tied * tied * s.h;
    sm += scale * minimum * s.hv;
    mm += minimum * minimum * s.h;
    xs += scale * s.hxv + tied * s.hx;
    xm += minimum * s.hx;
  }
  double new_scale = old_scale, new_minimum = old_minimum;
  const double determinant = ss * mm - sm * sm;
  if (old_minimum != 0 && determinant > 0) {
    new_scale = (xs * mm - xm * sm) / determinant;
    new_minimum = (xm * ss - xs * sm) / determinant;
  } else if (ss > 0) {
    new_scale = (xs - old_minimum * sm) / ss;
  }
  if (!std::isfinite(new_scale) || !std::isfinite(new_minimum)) return false;
  if (new_scale * old_scale <= 0 || new_minimum * old_minimum < 0) return false;
  const float scale = levels_[1].scale.nearest(static_cast<float>(new_scale));
  const float minimum = levels_[1].minimum ? levels_[1].minimum->nearest(static_cast<float>(new_minimum)) : 0;
  const bool changed = scale != out.raw_scales[1][at] || (levels_[1].minimum && minimum != out.raw_minimums[1][at]);
  if (scale == 0) return false;
  out.raw_scales[1][at] = scale;
  if (levels_[1].minimum) out.raw_minimums[1][at] = minimum;
  return changed;
}

void ScalePlan::store(const Scratch& scratch, RowScales& out) const {
  const size_t groups = scratch.inner.size();
  out.scale.resize(groups);
  out.minimum.resize(groups);
  out.zero_point.resize(groups);
  out.error.resize(groups);
  for (size_t g = 0; g < groups; ++g) {
    const GroupScale& c = scratch.inner[g];
    if (!levels_.empty()) {
      out.raw_scales[0][g] = c.raw_scale;
      if (levels_[0].minimum) out.raw_minimums[0][g] = c.raw_minimum;
    }
    out.scale[g] = c.scale;
    out.minimum[g] = c.minimum;
    out.zero_point[g] = c.zero_point;
    out.error[g] = c.error;
  }
}

void ScalePlan::nearest_codes(const RowScales& scales, Scratch& scratch, uint16_t* codes) const {
  const int64_t columns = group_columns();
  scratch.values.resize(static_cast<size_t>(padded_));
  for (int64_t g = 0; g < group_count(); ++g) {
    GroupData data;
    data.weights = scratch.weights.data() + g * padded_;
    data.padded = padded_;
    const auto at = static_cast<size_t>(g);
    group_codes_values(element_, data, scales.scale[at], scales.minimum[at], scales.zero_point[at],
                       scratch.values.data());
    const int64_t count = std::min(columns, cols_ - g * columns);
    element_.codes(scratch.values.data(), count, codes + g * columns);
  }
}

void ScalePlan::decode(const RowScales& scales, const uint16_t* codes, float* values) const {
  const std::span<const float> table = formats::decode_table(format_.element);
  const bool zero_point = format_.has_zero_point();
  for (int64_t c = 0; c < cols_; ++c) {
    const auto g = static_cast<size_t>(c / group_columns());
    const float v = table[codes[c]] - static_cast<float>(scales.zero_point[g]);
    const bool product = zero_point || !format_.has_minimum();
    values[c] = product ? v * scales.scale[g] : std::fma(v, scales.scale[g], scales.minimum[g]);
  }
}

GroupScale ScalePlan::nearest_scale(const RowScales& row, int64_t group, double wanted) const {
  OuterFactors scales, minimums;
  outer_factors(row, group, scales, minimums);
  GroupScale out;
  const double product = scales.product();
  out.raw_scale = levels_[0].scale.nearest(static_cast<float>(product != 0 ? wanted / product : 0));
  out.scale = scales.apply(out.raw_scale);
  return out;
}

GroupScale ScalePlan::nearest_minimum(const RowScales& row, int64_t group, double wanted) const {
  OuterFactors scales, minimums;
  outer_factors(row, group, scales, minimums);
  GroupScale out;
  const double product = minimums.product();
  out.raw_minimum = levels_[0].minimum->nearest(static_cast<float>(product != 0 ? wanted / product : 0));
  out.minimum = minimums.apply(out.raw_minimum);
  return out;
}

void ScalePlan::scale_codes(const RowScales& scales, size_t level, uint32_t* out) const {
  for (const float raw : scales.raw_scales[level]) *out++ = levels_[level].scale.code(raw);
}

void ScalePlan::minimum_codes(const RowScales& scales, size_t level, uint32_t* out) const {
  if (level == 0 && format_.has_zero_point()) {
    for (const int32_t z : scales.zero_point) *out++ = element_.code(static_cast<float>(z));
    return;
  }
  for (const float raw : scales.raw_minimums[level]) *out++ = levels_[level].minimum->code(raw);
}

}  // namespace lowbit::quant

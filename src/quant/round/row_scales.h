// All scales, minima and zero points of one row under a format of any number of levels.
//
// One level: each group by itself. More: ideal real-valued scales of the inner groups, from them the outer ones (the
// largest inner ideal on the largest inner code), rounded from the outside in; then the inner codes under the rounded
// outer values; then (error search) the outer ones fitted to these by least squares, kept where the error falls.
// A scale of the whole tensor is given (prepare()), so that any split of the rows gives the same codes.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "formats/format.h"
#include "quant/round/choose_group.h"

namespace lowbit::quant {

// The extreme weights of a tensor, gathered slab by slab. NaN counts as 0.
struct TensorRange {
  float least = 0, most = 0;
  void add(std::span<const float> weights);
};

// What a level for the whole tensor holds; without such a level unused.
struct TensorScales {
  float raw_scale = 0, raw_minimum = 0;
  int32_t zero_point = 0;
};

// The scale of the whole tensor: the extreme weights on the extreme codes of all inner levels (for NVFP4
// amax / (448 * 6)). Deterministic in the range alone.
TensorScales prepare(const formats::Format& format, const TensorRange& range, const ScaleOptions& options = {});

// A weight as the rounders take it: NaN becomes 0, magnitudes beyond 2^100 become 2^100.
inline float usable_weight(float x) {
  const float bounded = x < 0x1p100f ? (x > -0x1p100f ? x : -0x1p100f) : 0x1p100f;
  return x == x ? bounded : 0.0f;
}

struct RowScales {
  std::vector<std::vector<float>> raw_scales, raw_minimums;  // [level][group of the level]; values on the grids
  std::vector<float> scale, minimum;                         // [innermost group], with all outer factors
  std::vector<int32_t> zero_point;                           // [innermost group]
  std::vector<float> error;                                  // [innermost group], importance-weighted; error search
};

// A compiled format for rows of `cols` columns. Const after make(): many threads may use one.
class ScalePlan {
 public:
  // importance: [cols], or empty for 1 everywhere; copied. An error where the format has more than 8 levels or its
  // element is f32 with levels.
  static Result<ScalePlan> make(const formats::Format& format, int64_t cols, std::span<const float> importance,
                                const TensorScales& tensor, const ScaleOptions& options);

  const formats::Format& format() const { return format_; }
  const ElementGrid& element() const { return element_; }
  int64_t cols() const { return cols_; }
  // Groups of a level along a row, and their columns (the last may be shorter); one group for row and tensor levels.
  int64_t groups(size_t level) const { return levels_[level].groups; }
  int64_t group_columns() const { return levels_.empty() ? cols_ : levels_[0].columns; }
  int64_t group_count() const { return levels_.empty() ? 1 : levels_[0].groups; }

  // Thread-local working space.
  struct Scratch {
    std::vector<float> weights;  // [groups][padded group]
    std::vector<float> values;   // [padded group]
    std::vector<GroupScale> inner, ideal;
  };

  // row: [cols], usable weights.
  void choose(const float* row, Scratch& scratch, RowScales& out) const;
  // The nearest codes of the row under its scales.
  void nearest_codes(const RowScales& scales, Scratch& scratch, uint16_t* codes) const;
  // The values of codes under its scales, as formats/format.h defines them. [cols]
  void decode(const RowScales& scales, const uint16_t* codes, float* values) const;
  // The scale (or minimum) of an innermost group nearest to the wanted one, its outer factors as they are in `row`.
  GroupScale nearest_scale(const RowScales& row, int64_t group, double wanted) const;
  GroupScale nearest_minimum(const RowScales& row, int64_t group, double wanted) const;
  // Codes of raw scales and minima (or zero points) of a level: one per group.
  void scale_codes(const RowScales& scales, size_t level, uint32_t* out) const;
  void minimum_codes(const RowScales& scales, size_t level, uint32_t* out) const;
  bool is_tensor_level(size_t level) const { return format_.levels[level].group == formats::kGroupTensor; }

 private:
  struct Level {
    int64_t columns = 0, groups = 0;
    int64_t children = 0;  // groups of the innermost level in one of this one
    ElementGrid scale;
    std::optional<ElementGrid> minimum;
  };

  ScalePlan(const formats::Format& format, int64_t cols);
  // The rules of the innermost level; free: with real-valued scales and minima.
  GroupRules rules(bool free) const;
  GroupData group_data(const Scratch& scratch, int64_t group) const;
  void outer_factors(const RowScales& row, int64_t group, OuterFactors& scales, OuterFactors& minimums) const;
  void choose_single(Scratch& scratch, RowScales& out) const;
  void choose_nested(Scratch& scratch, RowScales& out) const;
  void set_outer(const Scratch& scratch, RowScales& out) const;
  double choose_inner(int64_t first, int64_t last, Scratch& scratch, const RowScales& out) const;
  void refine_outer(int64_t outer_group, Scratch& scratch, RowScales& out) const;
  bool fit_outer(int64_t outer_group, const Scratch& scratch, RowScales& out) const;
  void store(const Scratch& scratch, RowScales& out) const;
  bool has_tensor_level() const {
    return !format_.levels.empty() && format_.levels.back().group == formats::kGroupTensor;
  }
  size_t row_levels() const { return levels_.size() - (has_tensor_level() ? 1 : 0); }

  formats::Format format_;
  int64_t cols_ = 0;
  ElementGrid element_;
  ElementGrid free_;  // f32: the grid of ideal scales
  std::vector<Level> levels_;
  GroupRules signs_;  // without its pointers: a plan may be moved
  TensorScales tensor_;
  ScaleOptions options_;
  int64_t padded_ = 0;             // columns of a group, rounded up to lanes
  std::vector<float> importance_;  // [groups][padded group]

  friend TensorScales prepare(const formats::Format&, const TensorRange&, const ScaleOptions&);
};

}  // namespace lowbit::quant

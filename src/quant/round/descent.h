// Coordinate descent on the codes and scales of finished rows under the full second moments: what is left to gain
// after GPTQ, which never looks back. Each change lowers the damped error e (H + damping) e^T of its row, so the
// result is never worse (but for rounding). Scales under second moments: as in decoupleQ (arXiv 2404.12759), section
// 3.3, one group at a time.
#pragma once

#include <vector>

#include "quant/round/gptq_factor.h"
#include "quant/round/row_tile.h"

namespace lowbit::quant {

class Descent {
 public:
  Descent(const MethodInput& input, const ScalePlan& plan, const GptqFactor& factor, Isa isa, MethodOutput& output);

  // Codes of the tile's rows stand in output.codes.codes, scales in tile.scales; both are improved in place.
  // `sweeps` times over all columns, scales (and minima) fitted in between.
  void improve(RowTile& tile, int sweeps) const;

 private:
  // [rows][cols] each; what a tile carries through the sweeps.
  struct State {
    std::vector<float> factors;               // value of each code less the zero point
    std::vector<float> gradient;              // errors * (H + damping)
    std::vector<float> scale, minimum, zero;  // [cols] of the row in work
  };

  void load(RowTile& tile, State& state) const;
  int64_t sweep_codes(RowTile& tile, State& state) const;
  template <class R>
  int64_t sweep_row(const R& round, const float* weights, float* errors, float* factors, float* gradient,
                    const State& state) const;
  void fit_scales(RowTile& tile, State& state) const;
  bool fit_group(int64_t group, float* errors, const float* factors, float* gradient, const float* product,
                 RowScales& scales) const;
  void store(RowTile& tile, const State& state) const;
  // to += by * row, both [cols].
  void add_row(float by, const float* row, float* to) const;

  const MethodInput& in_;
  const ScalePlan& plan_;
  const Isa isa_;
  MethodOutput& out_;
  std::vector<float> added_;             // [cols] damping of the column
  std::vector<float> inverse_diagonal_;  // [cols] of H + damping
  std::vector<float> group_rows_;        // [groups][cols] sum of the rows of H that belong to a group, for minima
};

}  // namespace lowbit::quant

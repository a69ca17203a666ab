#include "quant/round/nearest.h"

#include "quant/round/row_tile.h"

namespace lowbit::quant {

Result<MethodOutput> solve_nearest(const MethodInput& in) {
  LOWBIT_TRY(check_input(in));
  const std::vector<float> importance = column_importance(in);
  LOWBIT_ASSIGN(const ScalePlan plan, ScalePlan::make(*in.format, in.cols, importance, in.tensor, in.options.scales));
  MethodOutput out = make_output(plan, in.rows);
  const Isa isa = active_isa();
  for_each_tile(in, out, [&](RowTile& tile) {
    for (int64_t r = 0; r < tile.rows; ++r) {
      RowScales& scales = tile.scales[static_cast<size_t>(r)];
      plan.choose(tile.weights.data() + r * in.cols, tile.scratch, scales);
      plan.nearest_codes(scales, tile.scratch, out.codes.codes.data() + (tile.first + r) * in.cols);
    }
    finish_tile(in, plan, isa, tile, out);
  });
  return out;
}

}  // namespace lowbit::quant

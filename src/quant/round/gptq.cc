#include "quant/round/gptq.h"

#include <algorithm>
#include <optional>

#include "kernels/gemm/gemm.h"
#include "quant/round/descent.h"
#include "quant/round/group_sums.h"
#include "quant/round/row_tile.h"

namespace lowbit::quant {
namespace {

// Working space of one thread. "Visited" means columns in the factor's order. Blocks lie transposed, rows of the tile
// side by side, so that a column of all rows is rounded at once.
struct Workspace {
  std::vector<float> visited;                       // [rows][cols] weights, then targets
  std::vector<float> errors;                        // [rows][cols] w - q
  std::vector<float> target, weight, error, value;  // [block][kTileRows]
  std::vector<float> scale, minimum, zero;          // [groups][kTileRows]
};

class Gptq {
 public:
  Gptq(const MethodInput& in, const ScalePlan& plan, const GptqFactor& factor, Isa isa, MethodOutput& out)
      : in_(in), plan_(plan), factor_(factor), isa_(isa), out_(out), block_(std::min(in.options.block, in.cols)) {}

  // Scales of the tile's rows, then their codes.
  void solve(RowTile& tile, Workspace& work) const {
    for (int64_t r = 0; r < tile.rows; ++r) {
      plan_.choose(tile.weights.data() + r * in_.cols, tile.scratch, tile.scales[static_cast<size_t>(r)]);
    }
    prepare(tile, work);
    for (int64_t begin = 0; begin < in_.cols; begin += block_) {
      const int64_t end = std::min(begin + block_, in_.cols);
      gather(tile, begin, end, work.visited, work.weight);
      const float* triangle = factor_.triangle().data();
      kernels::gemm_chain(isa_, tile.rows, end - begin, begin, work.errors.data(), in_.cols, triangle + begin,
                          in_.cols, work.visited.data() + begin, in_.cols);
      gather(tile, begin, end, work.visited, work.target);
      std::visit([&](const auto& round) { round_block(round, begin, end, work); }, plan_.element().rounder());
      scatter(tile, begin, end, work);
    }
  }

 private:
  void prepare(const RowTile& tile, Workspace& work) const {
    const auto size = static_cast<size_t>(tile.rows * in_.cols);
    const auto block = static_cast<size_t>(block_ * kTileRows);
    work.visited.resize(size);
    work.errors.resize(size);
    for (auto* v : {&work.target, &work.weight, &work.error, &work.value}) v->assign(block, 0.0f);
    for (int64_t r = 0; r < tile.rows; ++r) {
      const float* row = tile.weights.data() + r * in_.cols;
      float* to = work.visited.data() + r * in_.cols;
      for (int64_t i = 0; i < in_.cols; ++i) to[i] = row[factor_.order()[static_cast<size_t>(i)]];
    }
    const auto groups = static_cast<size_t>(plan_.group_count());
    for (auto* v : {&work.scale, &work.minimum, &work.zero}) v->assign(groups * kTileRows, 0.0f);
    for (int64_t r = 0; r < tile.rows; ++r) {
      const RowScales& s = tile.scales[static_cast<size_t>(r)];
      for (size_t g = 0; g < groups; ++g) {
        const size_t at = g * kTileRows + static_cast<size_t>(r);
        work.scale[at] = s.scale[g];
        work.minimum[at] = s.minimum[g];
        work.zero[at] = static_cast<float>(s.zero_point[g]);
      }
    }
  }

  // Columns [begin, end) of all rows, transposed.
  void gather(const RowTile& tile, int64_t begin, int64_t end, const std::vector<float>& from,
              std::vector<float>& to) const {
    for (int64_t r = 0; r < tile.rows; ++r) {
      const float* row = from.data() + r * in_.cols;
      for (int64_t j = begin; j < end; ++j) to[static_cast<size_t>((j - begin) * kTileRows + r)] = row[j];
    }
  }

  template <class R>
  void round_block(const R& round, int64_t begin, int64_t end, Workspace& work) const {
    for (int64_t j = begin; j < end; ++j) {
      const int64_t group = factor_.order()[static_cast<size_t>(j)] / plan_.group_columns();
      const int64_t at = (j - begin) * kTileRows;
      const float* scales = work.scale.data() + group * kTileRows;
      for (int64_t r = 0; r < kTileRows; r += kLanes) {
        const CodeMap map(load4(scales + r), load4(work.minimum.data() + group * kTileRows + r),
                          load4(work.zero.data() + group * kTileRows + r));
        const Float4 value = map.grid(round, load4(work.target.data() + at + r));
        const Float4 weight = (value - map.zero) * map.scale + map.minimum;
        store4(work.value.data() + at + r, value);
        store4(work.error.data() + at + r, load4(work.weight.data() + at + r) - weight);
      }
      const float* triangle = factor_.triangle().data() + j * in_.cols;
      const float* error = work.error.data() + at;
      for (int64_t later = j + 1; later < end; ++later) {
        const Float4 share = splat(triangle[later]);
        float* target = work.target.data() + (later - begin) * kTileRows;
        for (int64_t r = 0; r < kTileRows; r += kLanes) {
          store4(target + r, load4(target + r) + load4(error + r) * share);
        }
      }
    }
  }

  void scatter(const RowTile& tile, int64_t begin, int64_t end, Workspace& work) const {
    uint16_t codes[kTileRows];
    for (int64_t j = begin; j < end; ++j) {
      const int64_t column = factor_.order()[static_cast<size_t>(j)];
      plan_.element().codes(work.value.data() + (j - begin) * kTileRows, tile.rows, codes);
      for (int64_t r = 0; r < tile.rows; ++r) {
        out_.codes.codes[static_cast<size_t>((tile.first + r) * in_.cols + column)] = codes[r];
      }
    }
    for (int64_t r = 0; r < tile.rows; ++r) {
      float* row = work.errors.data() + r * in_.cols;
      for (int64_t j = begin; j < end; ++j) row[j] = work.error[static_cast<size_t>((j - begin) * kTileRows + r)];
    }
  }

  const MethodInput& in_;
  const ScalePlan& plan_;
  const GptqFactor& factor_;
  const Isa isa_;
  MethodOutput& out_;
  const int64_t block_;
};

}  // namespace

Result<MethodOutput> solve_gptq(const MethodInput& in) {
  LOWBIT_TRY(check_input(in));
  if (in.second_moments.empty()) return errorf("gptq needs the second moments of the inputs, none were given");
  std::optional<GptqFactor> own;
  if (in.factor == nullptr) {
    LOWBIT_ASSIGN(own, GptqFactor::make(in.second_moments, in.cols, in.options.damping, in.options.act_order));
  }
  const GptqFactor& factor = own ? *own : *in.factor;
  if (factor.cols() != in.cols) {
    return errorf("a factor of {} columns was given for a weight of {} columns", factor.cols(), in.cols);
  }
  LOWBIT_ASSIGN(const ScalePlan plan,
                ScalePlan::make(*in.format, in.cols, column_importance(in), in.tensor, in.options.scales));
  MethodOutput out = make_output(plan, in.rows);
  out.damping = factor.damping();
  out.failed_factorizations = factor.failures();
  out.dead_columns = factor.dead_columns();
  const Isa isa = active_isa();
  const Gptq gptq(in, plan, factor, isa, out);
  const Descent descent(in, plan, factor, isa, out);
  for_each_tile(in, out, [&](RowTile& tile) {
    Workspace work;
    gptq.solve(tile, work);
    descent.improve(tile, in.options.descent_sweeps);
    finish_tile(in, plan, isa, tile, out);
  });
  return out;
}

}  // namespace lowbit::quant

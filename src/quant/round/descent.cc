#include "quant/round/descent.h"

#include <algorithm>
#include <cmath>

#include "kernels/gemm/gemm.h"
#include "quant/round/group_sums.h"

namespace lowbit::quant {

Descent::Descent(const MethodInput& input, const ScalePlan& plan, const GptqFactor& factor, Isa isa,
                 MethodOutput& output)
    : in_(input), plan_(plan), isa_(isa), out_(output) {
  const auto cols = static_cast<size_t>(in_.cols);
  added_.resize(cols);
  inverse_diagonal_.resize(cols);
  for (size_t i = 0; i < cols; ++i) {
    const float diagonal = in_.second_moments[i * cols + i];
    added_[i] = static_cast<float>(diagonal == 0 ? factor.added_to_dead() : factor.added());
    inverse_diagonal_[i] = static_cast<float>(1 / (static_cast<double>(diagonal) + static_cast<double>(added_[i])));
  }
  if (!plan_.format().has_minimum()) return;
  group_rows_.assign(static_cast<size_t>(plan_.group_count()) * cols, 0.0f);
  for (int64_t i = 0; i < in_.cols; ++i) {
    add_row(1, in_.second_moments.data() + i * in_.cols, group_rows_.data() + i / plan_.group_columns() * in_.cols);
  }
}

void Descent::add_row(float by, const float* row, float* to) const {
  const Float4 factor = splat(by);
  int64_t c = 0;
  for (; c + kLanes <= in_.cols; c += kLanes) store4(to + c, load4(to + c) + factor * load4(row + c));
  for (; c < in_.cols; ++c) to[c] += by * row[c];
}

void Descent::improve(RowTile& tile, int sweeps) const {
  if (sweeps <= 0) return;
  State state;
  load(tile, state);
  for (int i = 0; i < sweeps; ++i) {
    if (i > 0) fit_scales(tile, state);
    if (sweep_codes(tile, state) == 0) break;
  }
  store(tile, state);
}

void Descent::load(RowTile& tile, State& state) const {
  const auto size = static_cast<size_t>(tile.rows * in_.cols);
  const std::span<const float> table = formats::decode_table(plan_.format().element);
  state.factors.resize(size);
  for (auto* v : {&state.scale, &state.minimum, &state.zero}) v->resize(static_cast<size_t>(in_.cols));
  for (int64_t r = 0; r < tile.rows; ++r) {
    const RowScales& scales = tile.scales[static_cast<size_t>(r)];
    const uint16_t* codes = out_.codes.codes.data() + (tile.first + r) * in_.cols;
    for (int64_t c = 0; c < in_.cols; ++c) {
      const auto g = static_cast<size_t>(c / plan_.group_columns());
      const auto at = static_cast<size_t>(r * in_.cols + c);
      const float factor = table[codes[c]] - static_cast<float>(scales.zero_point[g]);
      state.factors[at] = factor;
      tile.errors[at] = tile.weights[at] - (factor * scales.scale[g] + scales.minimum[g]);
    }
  }
  times_second_moments(in_.second_moments, in_.cols, isa_, tile);
  state.gradient = tile.product;
  for (size_t i = 0; i < size; ++i) state.gradient[i] += added_[i % static_cast<size_t>(in_.cols)] * tile.errors[i];
}

int64_t Descent::sweep_codes(RowTile& tile, State& state) const {
  int64_t changes = 0;
  for (int64_t r = 0; r < tile.rows; ++r) {
    const RowScales& scales = tile.scales[static_cast<size_t>(r)];
    for (int64_t c = 0; c < in_.cols; ++c) {
      const auto g = static_cast<size_t>(c / plan_.group_columns());
      state.scale[static_cast<size_t>(c)] = scales.scale[g];
      state.minimum[static_cast<size_t>(c)] = scales.minimum[g];
      state.zero[static_cast<size_t>(c)] = static_cast<float>(scales.zero_point[g]);
    }
    const int64_t at = r * in_.cols;
    changes += std::visit(
        [&](const auto& round) {
          return sweep_row(round, tile.weights.data() + at, tile.errors.data() + at, state.factors.data() + at,
                           state.gradient.data() + at, state);
        },
        plan_.element().rounder());
  }
  return changes;
}

// The best code of column i, all others as they are, is the one nearest to q_i + gradient_i / (H_ii + damping).
template <class R>
int64_t Descent::sweep_row(const R& round, const float* weights, float* errors, float* factors, float* gradient,
                           const State& state) const {
  int64_t changes = 0;
  const auto best_factor = [&](int64_t c, int64_t lanes) {
    const auto load = [&](const float* p) { return lanes == kLanes ? load4(p + c) : splat(p[c]); };
    const CodeMap map(load(state.scale.data()), load(state.minimum.data()), load(state.zero.data()));
    const Float4 target = load(weights) - load(errors) + load(gradient) * load(inverse_diagonal_.data());
    return map.factor(round, target);
  };
  const auto settle = [&](int64_t c) {
    const float factor = best_factor(c, 1)[0];
    if (factor == factors[c]) return;
    const auto i = static_cast<size_t>(c);
    const float error = weights[c] - (factor * state.scale[i] + state.minimum[i]);
    const float moved = error - errors[c];
    // Change of e (H + damping) e^T.
    if (!(moved * (2 * gradient[c] + moved / inverse_diagonal_[i]) < 0)) return;
    add_row(moved, in_.second_moments.data() + c * in_.cols, gradient);
    gradient[c] += moved * added_[i];
    errors[c] = error;
    factors[c] = factor;
    ++changes;
  };
  int64_t c = 0;
  for (; c + kLanes <= in_.cols; c += kLanes) {
    // Most codes stay: four are looked at together, and one by one where any of them would move.
    const Int4 differs = best_factor(c, kLanes) != load4(factors + c);
    if ((differs[0] | differs[1] | differs[2] | differs[3]) == 0) continue;
    for (int64_t i = c; i < c + kLanes; ++i) settle(i);
  }
  for (; c < in_.cols; ++c) settle(c);
  return changes;
}

void Descent::fit_scales(RowTile& tile, State& state) const {
  if (plan_.format().is_plain() || plan_.is_tensor_level(0)) return;
  for (int64_t group = 0; group < plan_.group_count(); ++group) {
    const int64_t begin = group * plan_.group_columns();
    const int64_t end = std::min(begin + plan_.group_columns(), in_.cols);
    // Factors of the group times their rows of H: how the gradient moves with the scale.
    std::fill(tile.product.begin(), tile.product.end(), 0.0f);
    kernels::gemm_chain(isa_, tile.rows, in_.cols, end - begin, state.factors.data() + begin, in_.cols,
                        in_.second_moments.data() + begin * in_.cols, in_.cols, tile.product.data(), in_.cols);
    for (int64_t r = 0; r < tile.rows; ++r) {
      const int64_t at = r * in_.cols;
      fit_group(group, tile.errors.data() + at, state.factors.data() + at, state.gradient.data() + at,
                tile.product.data() + at, tile.scales[static_cast<size_t>(r)]);
    }
  }
}

// Least squares for scale and minimum of one group, all else as it is; kept where the rounded ones lower the error.
bool Descent::fit_group(int64_t group, float* errors, const float* factors, float* gradient, const float* product,
                        RowScales& scales) const {
  const int64_t begin = group * plan_.group_columns();
  const int64_t end = std::min(begin + plan_.group_columns(), in_.cols);
  const auto g = static_cast<size_t>(group);
  const bool minimum = plan_.format().has_minimum();
  const float* ones = minimum ? group_rows_.data() + group * in_.cols : nullptr;
  double ss = 0, sm = 0, mm = 0, bs = 0, bm = 0;
  for (int64_t i = begin; i < end; ++i) {
    const double f = factors[i], moved = product[i] + added_[static_cast<size_t>(i)] * factors[i];
    ss += f * moved;
    bs += f * static_cast<double>(gradient[i]);
    if (!minimum) continue;
    sm += moved;
    mm += static_cast<double>(ones[i] + added_[static_cast<size_t>(i)]);
    bm += static_cast<double>(gradient[i]);
  }
  if (!(ss > 0) || (minimum && !(mm > 0))) return false;
  const double determinant = ss * mm - sm * sm;
  const bool both = minimum && determinant > 1e-6 * ss * mm;
  const double wanted = both ? (bs * mm - bm * sm) / determinant : bs / ss;
  const GroupScale fitted = plan_.nearest_scale(scales, group, scales.scale[g] + wanted);
  const double moved_scale = static_cast<double>(fitted.scale) - static_cast<double>(scales.scale[g]);
  GroupScale lifted;
  double moved_minimum = 0;
  if (minimum) {
    lifted = plan_.nearest_minimum(scales, group, scales.minimum[g] + (bm - sm * moved_scale) / mm);
    moved_minimum = static_cast<double>(lifted.minimum) - static_cast<double>(scales.minimum[g]);
  }
  const double change = moved_scale * (moved_scale * ss - 2 * bs) + moved_minimum * (moved_minimum * mm - 2 * bm) +
                        2 * moved_scale * moved_minimum * sm;
  const bool flipped = fitted.scale * scales.scale[g] <= 0;
  if (!(change < 0) || flipped || !std::isfinite(moved_scale) || !std::isfinite(moved_minimum)) return false;
  const auto ds = static_cast<float>(moved_scale), dm = static_cast<float>(moved_minimum);
  add_row(-ds, product, gradient);
  if (minimum) add_row(-dm, ones, gradient);
  for (int64_t i = begin; i < end; ++i) {
    const float moved = ds * factors[i] + dm;
    errors[i] -= moved;
    gradient[i] -= added_[static_cast<size_t>(i)] * moved;
  }
  scales.raw_scales[0][g] = fitted.raw_scale;
  scales.scale[g] = fitted.scale;
  if (minimum) {
    scales.raw_minimums[0][g] = lifted.raw_minimum;
    scales.minimum[g] = lifted.minimum;
  }
  return true;
}

void Descent::store(RowTile& tile, const State& state) const {
  for (int64_t r = 0; r < tile.rows; ++r) {
    const RowScales& scales = tile.scales[static_cast<size_t>(r)];
    for (int64_t c = 0; c < in_.cols; ++c) {
      const auto g = static_cast<size_t>(c / plan_.group_columns());
      tile.values[static_cast<size_t>(c)] =
          state.factors[static_cast<size_t>(r * in_.cols + c)] + static_cast<float>(scales.zero_point[g]);
    }
    plan_.element().codes(tile.values.data(), in_.cols, out_.codes.codes.data() + (tile.first + r) * in_.cols);
  }
}

}  // namespace lowbit::quant

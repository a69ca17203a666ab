// Rules of a mixture of experts. Which experts are chosen is a constant: only their weights have gradients.
#include <cstring>

#include "base/bits.h"
#include "grad/rules.h"
#include "kernels/rows/rows.h"

namespace lowbit::grad {
namespace {

// With p the softmax over all logits or over the chosen ones, w_s = p_s: dx_j = p_j (dp_j - sum over slots of
// p_s dp_s), dp_j = 0 where j is not chosen. Weights that are divided by their sum are a softmax over the chosen.
void top_k_row(Isa isa, const graph::TopK& top, int64_t experts, const float* x, const float* y, const float* dy,
               float* dx) {
  const float *ids = y, *w = y + top.k, *dw = dy + top.k;
  double along = 0.0;
  for (int32_t s = 0; s < top.k; ++s) along += static_cast<double>(w[s]) * static_cast<double>(dw[s]);
  const auto shift = static_cast<float>(along);
  if (top.softmax_all && !top.renormalise) {
    Rows p(static_cast<size_t>(round_up(experts, 16)), 0.0f);
    std::copy_n(x, experts, p.data());
    float sum = 0.0f;
    kernels::softmax(isa, {experts, 1.0f, p.data(), &sum});
    for (int64_t j = 0; j < experts; ++j) dx[j] = -shift * (p[static_cast<size_t>(j)] / sum);
  }
  for (int32_t s = 0; s < top.k; ++s) dx[static_cast<int64_t>(ids[s])] = w[s] * (dw[s] - shift);
}

void top_k_backward(Backward::State& s, const graph::Node& node, Rows& gradient) {
  const int64_t experts = s.width(node.inputs[0]), width = s.width(node.output);
  const float *x = s.value(node.inputs[0]).data(), *y = s.value(node.output).data();
  Rows dx = s.zeros(node.inputs[0]);
  over_rows(s, [&](int64_t first, int64_t count) {
    for (int64_t t = first; t < first + count; ++t) {
      top_k_row(s.isa, node.top_k, experts, x + t * experts, y + t * width, gradient.data() + t * width,
                dx.data() + t * experts);
    }
  });
  s.give(node.inputs[0], std::move(dx));
}

void expert_linear_backward(Backward::State& s, const graph::Node& node, Rows& gradient) {
  const std::vector<int64_t>& shape = s.weights.at(node.weights[0])->shape;
  const int64_t rows = shape[1], cols = shape[2], k = s.width(node.inputs[1]) / 2;
  const float* chosen = s.value(node.inputs[1]).data();
  Rows slots(static_cast<size_t>(s.tokens * k * cols));  // the gradient at each slot's own input
  for (int64_t e = 0; e < shape[0]; ++e) {
    std::vector<int64_t> at;
    Rows dy;
    for (int64_t i = 0; i < s.tokens * k; ++i) {
      if (static_cast<int64_t>(chosen[i / k * 2 * k + i % k]) != e) continue;
      at.push_back(i);
      dy.insert(dy.end(), gradient.begin() + i * rows, gradient.begin() + (i + 1) * rows);
    }
    if (at.empty()) continue;
    Rows part(at.size() * static_cast<size_t>(cols), 0.0f);
    multiply_by_rows(s, node.weights[0], e * rows, (e + 1) * rows, dy, part);
    for (size_t i = 0; i < at.size(); ++i) {
      std::memcpy(slots.data() + at[i] * cols, part.data() + i * static_cast<size_t>(cols),
                  static_cast<size_t>(cols) * sizeof(float));
    }
  }
  if (s.width(node.inputs[0]) == k * cols) return s.give(node.inputs[0], std::move(slots));
  Rows dx = s.zeros(node.inputs[0]);
  for (int64_t i = 0; i < s.tokens * k; ++i) {
    float* sum = dx.data() + i / k * cols;
    kernels::add(s.isa, {cols, sum, slots.data() + i * cols, sum});
  }
  s.give(node.inputs[0], std::move(dx));
}

// y = sum over slots of w_s part_s: d part_s = w_s dy, dw_s = part_s . dy.
void combine_backward(Backward::State& s, const graph::Node& node, Rows& gradient) {
  const int64_t width = s.width(node.output), k = s.width(node.inputs[1]) / 2;
  const float *parts = s.value(node.inputs[0]).data(), *chosen = s.value(node.inputs[1]).data();
  Rows dparts = s.zeros(node.inputs[0]), dchosen = s.zeros(node.inputs[1]);
  over_rows(s, [&](int64_t first, int64_t count) {
    for (int64_t i = first * k; i < (first + count) * k; ++i) {
      const int64_t weight = i / k * 2 * k + k + i % k;
      const float *dy = gradient.data() + i / k * width, *part = parts + i * width;
      kernels::scale(s.isa, {width, dy, chosen[weight], dparts.data() + i * width});
      double along = 0.0;
      for (int64_t c = 0; c < width; ++c) along += static_cast<double>(part[c]) * static_cast<double>(dy[c]);
      dchosen[static_cast<size_t>(weight)] = static_cast<float>(along);
    }
  });
  s.give(node.inputs[0], std::move(dparts));
  s.give(node.inputs[1], std::move(dchosen));
}

}  // namespace

namespace rules {
constinit const Rule top_k{top_k_backward, kNeedsFirst | kNeedsOutput};
constinit const Rule expert_linear{expert_linear_backward, kNeedsSecond};
constinit const Rule combine{combine_backward, kNeedsFirst | kNeedsSecond};
}  // namespace rules

}  // namespace lowbit::grad

// Rules of operations that treat each value by itself.
#include <cmath>
#include <cstring>

#include "arith/functions.h"
#include "grad/rules.h"
#include "kernels/rows/rows.h"

namespace lowbit::grad {
namespace {

// dx = slope(x) dy.
template <class Slope>
void times_slope(Backward::State& s, const graph::Node& node, Rows& gradient, const Slope& slope) {
  const int64_t cols = s.width(node.output);
  const float* x = s.value(node.inputs[0]).data();
  over_rows(s, [&](int64_t first, int64_t count) {
    for (int64_t i = first * cols; i < (first + count) * cols; ++i) gradient[static_cast<size_t>(i)] *= slope(x[i]);
  });
  s.give(node.inputs[0], std::move(gradient));
}

// y = x sigma(2u), so y' = sigma + x sigma (1 - sigma) 2u', u = sqrt(2 / pi) (x + 0.044715 x^3).
void gelu_tanh_backward(Backward::State& s, const graph::Node& node, Rows& gradient) {
  times_slope(s, node, gradient, [](float x) {
    const float twice_u = x * std::fma(x * x, 7.13548163e-2f, 1.59576912f);
    const float sigma = 1.0f / (1.0f + arith::exp(-twice_u));
    const float steep = std::fma(x * x, 2.14064449e-1f, 1.59576912f);
    return std::fma(x * sigma * (1.0f - sigma), steep, sigma);
  });
}

// y = x cdf(x), so y' = cdf(x) + x exp(-x^2 / 2) / sqrt(2 pi).
void gelu_erf_backward(Backward::State& s, const graph::Node& node, Rows& gradient) {
  times_slope(s, node, gradient,
              [](float x) { return std::fma(x * arith::exp(x * x * -0.5f), 3.98942280e-1f, arith::normal_cdf(x)); });
}

void softcap_backward(Backward::State& s, const graph::Node& node, Rows& gradient) {
  times_slope(s, node, gradient, [&](float x) {
    const float t = arith::tanh(x / node.constant);
    return 1.0f - t * t;
  });
}

void scale_backward(Backward::State& s, const graph::Node& node, Rows& gradient) {
  const auto count = static_cast<int64_t>(gradient.size());
  kernels::scale(s.isa, {count, gradient.data(), node.constant, gradient.data()});
  s.give(node.inputs[0], std::move(gradient));
}

void multiply_backward(Backward::State& s, const graph::Node& node, Rows& gradient) {
  const auto count = static_cast<int64_t>(gradient.size());
  Rows da(gradient.size());
  kernels::multiply(s.isa, {count, gradient.data(), s.value(node.inputs[1]).data(), da.data()});
  kernels::multiply(s.isa, {count, gradient.data(), s.value(node.inputs[0]).data(), gradient.data()});
  s.give(node.inputs[0], std::move(da));
  s.give(node.inputs[1], std::move(gradient));
}

void slice_backward(Backward::State& s, const graph::Node& node, Rows& gradient) {
  const int64_t cols = s.width(node.output), all = s.width(node.inputs[0]);
  Rows dx = s.zeros(node.inputs[0]);
  for (int64_t t = 0; t < s.tokens; ++t) {
    std::memcpy(dx.data() + t * all + node.begin, gradient.data() + t * cols,
                static_cast<size_t>(cols) * sizeof(float));
  }
  s.give(node.inputs[0], std::move(dx));
}

}  // namespace

namespace rules {
constinit const Rule gelu_tanh{gelu_tanh_backward, kNeedsFirst};
constinit const Rule gelu_erf{gelu_erf_backward, kNeedsFirst};
constinit const Rule softcap{softcap_backward, kNeedsFirst};
constinit const Rule scale{scale_backward, kNeedsNothing};
constinit const Rule multiply{multiply_backward, kNeedsFirst | kNeedsSecond};
constinit const Rule slice{slice_backward, kNeedsNothing};
}  // namespace rules

}  // namespace lowbit::grad

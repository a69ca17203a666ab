// Rules of operations that treat each token by itself and have no matrix.
#include "kernels/rows/rows.h"

#include <cmath>

#include "arith/rotary.h"
#include "grad/rules.h"

namespace lowbit::grad {
namespace {

// Sum over i of term(i), in double: 16 lanes by i mod 16, then the tree l + (l + 8), + 4, + 2, + 1.
template <class Term>
double sum_of(int64_t count, const Term& term) {
  double lane[16] = {};
  int64_t i = 0;
  for (; i + 16 <= count; i += 16) {
    for (int64_t l = 0; l < 16; ++l) lane[l] += term(i + l);
  }
  for (int64_t l = 0; i + l < count; ++l) lane[l] += term(i + l);
  for (int width = 8; width > 0; width /= 2) {
    for (int l = 0; l < width; ++l) lane[l] += lane[l + width];
  }
  return lane[0];
}

// y = r x w with r = 1 / sqrt(mean(x^2) + epsilon), so dx = r w dy - x r^3 mean(w dy x).
void rms_norm_row(int64_t cols, const float* x, const float* w, float epsilon, const float* dy, float* dx) {
  const double squares =
      sum_of(cols, [&](int64_t i) { return static_cast<double>(x[i]) * static_cast<double>(x[i]); });
  const double along =
      sum_of(cols, [&](int64_t i) { return static_cast<double>(w[i] * dy[i]) * static_cast<double>(x[i]); });
  const auto n = static_cast<double>(cols);
  const double r = 1.0 / std::sqrt(squares / n + static_cast<double>(epsilon));
  const auto across = static_cast<float>(r);
  const auto back = static_cast<float>(r * r * r * (along / n));
  for (int64_t i = 0; i < cols; ++i) dx[i] = across * (w[i] * dy[i]) - back * x[i];
}

void rms_norm_backward(Backward::State& s, const graph::Node& node, Rows& gradient) {
  const int64_t width = s.width(node.output), cols = node.dim > 0 ? node.dim : width;
  const float* x = s.value(node.inputs[0]).data();
  const float* w = s.vectors.at(node.weights[0]).data();
  over_rows(s, [&](int64_t first, int64_t count) {
    for (int64_t at = first * width; at < (first + count) * width; at += cols) {
      rms_norm_row(cols, x + at, w, node.epsilon, gradient.data() + at, gradient.data() + at);
    }
  });
  s.give(node.inputs[0], std::move(gradient));
}

// y = r d w with d = x - mean(x) and r = 1 / sqrt(mean(d^2) + epsilon), so with g = w dy
// dx = r (g - mean(g) - d r^2 mean(g d)).
void layer_norm_row(int64_t cols, const float* x, const float* w, float epsilon, const float* dy, float* dx) {
  const auto n = static_cast<double>(cols);
  const double mean = sum_of(cols, [&](int64_t i) { return static_cast<double>(x[i]); }) / n;
  const auto d = [&](int64_t i) { return static_cast<double>(x[i]) - mean; };
  const auto g = [&](int64_t i) { return static_cast<double>(w[i] * dy[i]); };
  const double squares = sum_of(cols, [&](int64_t i) { return d(i) * d(i); });
  const double shift = sum_of(cols, g) / n;
  const double along = sum_of(cols, [&](int64_t i) { return g(i) * d(i); }) / n;
  const double r = 1.0 / std::sqrt(squares / n + static_cast<double>(epsilon));
  for (int64_t i = 0; i < cols; ++i) dx[i] = static_cast<float>(r * (g(i) - shift - d(i) * (r * r * along)));
}

void layer_norm_backward(Backward::State& s, const graph::Node& node, Rows& gradient) {
  const int64_t cols = s.width(node.output);
  const float* x = s.value(node.inputs[0]).data();
  const float* w = s.vectors.at(node.weights[0]).data();
  over_rows(s, [&](int64_t first, int64_t count) {
    for (int64_t at = first * cols; at < (first + count) * cols; at += cols) {
      layer_norm_row(cols, x + at, w, node.epsilon, gradient.data() + at, gradient.data() + at);
    }
  });
  s.give(node.inputs[0], std::move(gradient));
}

// y = silu(a) b. The kernel gives silu(a) = a sigma(a) alike on every ISA; sigma is that over a, or its series where
// a is too small to divide by (its next term, a^3 / 48, is below 2^-35). silu'(a) = sigma (1 + a - silu(a)). up holds
// b at the call and da at the end; dy becomes db. silu is silu(a).
void silu_gate_row(int64_t count, const float* a, const float* silu, float* up, float* dy) {
  for (int64_t i = 0; i < count; ++i) {
    const bool tiny = a[i] < 0x1p-10f && a[i] > -0x1p-10f;
    const float sigma = tiny ? 0.5f + 0.25f * a[i] : silu[i] / a[i];
    const float slope = sigma * (1.0f + (a[i] - silu[i]));
    up[i] = dy[i] * up[i] * slope;
    dy[i] *= silu[i];
  }
}

void silu_gate_backward(Backward::State& s, const graph::Node& node, Rows& gradient) {
  const int64_t cols = s.width(node.output);
  const Rows& gate = s.value(node.inputs[0]);
  Rows da = s.value(node.inputs[1]);
  const Rows ones(static_cast<size_t>(kRowGrain * cols), 1.0f);
  over_rows(s, [&](int64_t first, int64_t count) {
    Rows silu(static_cast<size_t>(kRowGrain * cols));
    for (int64_t row = first; row < first + count; row += kRowGrain) {
      const int64_t at = row * cols, values = std::min(kRowGrain, first + count - row) * cols;
      kernels::silu_gate(s.isa, {values, gate.data() + at, ones.data(), silu.data()});
      silu_gate_row(values, gate.data() + at, silu.data(), da.data() + at, gradient.data() + at);
    }
  });
  s.give(node.inputs[0], std::move(da));
  s.give(node.inputs[1], std::move(gradient));
}

const Backward::State::Rotary& rotary_table(Backward::State& s, const graph::Node& node) {
  const graph::Rope& rope = node.rope;
  const std::string factors = node.weights.empty() ? "" : node.weights[0];
  Backward::State::Rotary& table = s.rotary[{rope.base, rope.scale, rope.turned_values(), rope.amplitude, factors}];
  const int64_t half = rope.turned_values() / 2, have = static_cast<int64_t>(table.cosine.size()) / half;
  if (have >= s.tokens) return table;
  table.cosine.resize(static_cast<size_t>(s.tokens * half));
  table.negated_sine.resize(table.cosine.size());
  const arith::Rotary rotary{rope.base, rope.scale, rope.turned_values(), rope.amplitude,
                             factors.empty() ? nullptr : s.vectors.at(factors).data()};
  for (int64_t p = have; p < s.tokens; ++p) {
    float* sine = table.negated_sine.data() + p * half;
    arith::rotary_angles(rotary, p, table.cosine.data() + p * half, sine);
    for (int64_t i = 0; i < half; ++i) sine[i] = -sine[i];
  }
  return table;
}

// The transpose of a rotation turns the other way.
void rope_backward(Backward::State& s, const graph::Node& node, Rows& gradient) {
  const graph::Rope& rope = node.rope;
  const int64_t cols = s.width(node.output), half = rope.turned_values() / 2;
  const Backward::State::Rotary& table = rotary_table(s, node);
  Rows dx = s.zeros(node.inputs[0]);
  over_rows(s, [&](int64_t first, int64_t count) {
    for (int64_t t = first; t < first + count; ++t) {
      kernels::rope(s.isa,
                    {rope.heads, rope.dim, rope.turned_values(), rope.halves, gradient.data() + t * cols,
                     table.cosine.data() + t * half, table.negated_sine.data() + t * half, dx.data() + t * cols});
    }
  });
  s.give(node.inputs[0], std::move(dx));
}

// The matrix is its own transpose.
void hadamard_backward(Backward::State& s, const graph::Node& node, Rows& gradient) {
  const auto count = static_cast<int64_t>(gradient.size());
  kernels::hadamard(s.isa, {count, node.dim, gradient.data(), gradient.data()});
  s.give(node.inputs[0], std::move(gradient));
}

void add_backward(Backward::State& s, const graph::Node& node, Rows& gradient) {
  s.give(node.inputs[0], gradient);
  s.give(node.inputs[1], std::move(gradient));
}

// Straight-through; also of a constant that is added.
void cast_backward(Backward::State& s, const graph::Node& node, Rows& gradient) {
  s.give(node.inputs[0], std::move(gradient));
}

// Token ids have no gradient.
void embed_backward(Backward::State&, const graph::Node&, Rows&) {}

}  // namespace

namespace rules {
constinit const Rule embed{embed_backward, kNeedsNothing};
constinit const Rule embed_positions{embed_backward, kNeedsNothing};
constinit const Rule rms_norm{rms_norm_backward, kNeedsFirst};
constinit const Rule layer_norm{layer_norm_backward, kNeedsFirst};
constinit const Rule cast{cast_backward, kNeedsNothing};
constinit const Rule bias{cast_backward, kNeedsNothing};
constinit const Rule row_bias{cast_backward, kNeedsNothing};
constinit const Rule rope{rope_backward, kNeedsNothing};
constinit const Rule hadamard{hadamard_backward, kNeedsNothing};
constinit const Rule silu_gate{silu_gate_backward, kNeedsFirst | kNeedsSecond};
constinit const Rule add{add_backward, kNeedsNothing};
}  // namespace rules

}  // namespace lowbit::grad

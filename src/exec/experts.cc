// Mixture of experts. The tokens of one expert are gathered and multiplied together: each output is a chain of its
// own, so what else is in the batch changes nothing.
#include <algorithm>
#include <cstring>
#include <numeric>

#include "base/bits.h"
#include "exec/state.h"
#include "kernels/rows/rows.h"

namespace lowbit::exec {
namespace {

// p = softmax(x) in place; padded is scratch.
void softmax(Isa isa, std::vector<float>& padded, float* x, int64_t count) {
  padded.assign(static_cast<size_t>(round_up(count, 16)), 0.0f);
  std::copy_n(x, count, padded.data());
  float sum = 0.0f;
  kernels::softmax(isa, {count, 1.0f, padded.data(), &sum});
  for (int64_t i = 0; i < count; ++i) x[i] = padded[static_cast<size_t>(i)] / sum;
}

void choose(Isa isa, const graph::TopK& top, const float* logits, int64_t experts, float* out) {
  static thread_local std::vector<float> padded, all;
  static thread_local std::vector<int32_t> ids;
  ids.resize(static_cast<size_t>(experts));
  std::iota(ids.begin(), ids.end(), 0);
  std::partial_sort(ids.begin(), ids.begin() + top.k, ids.end(), [&](int32_t a, int32_t b) {
    return logits[a] > logits[b] || (!(logits[a] < logits[b]) && a < b);
  });
  std::sort(ids.begin(), ids.begin() + top.k);
  all.assign(logits, logits + experts);
  if (top.softmax_all) softmax(isa, padded, all.data(), experts);
  float* weights = out + top.k;
  for (int32_t s = 0; s < top.k; ++s) {
    out[s] = static_cast<float>(ids[static_cast<size_t>(s)]);
    weights[s] = all[static_cast<size_t>(ids[static_cast<size_t>(s)])];
  }
  if (!top.softmax_all) softmax(isa, padded, weights, top.k);
  if (!top.renormalise) return;
  float sum = 0.0f;
  for (int32_t s = 0; s < top.k; ++s) sum += weights[s];
  for (int32_t s = 0; s < top.k; ++s) weights[s] /= sum;
}

template <class T>
void take_row(std::vector<T>& to, const T* from, int64_t row, int64_t width) {
  if (from != nullptr) to.insert(to.end(), from + row * width, from + (row + 1) * width);
}

// Some rows of activations, copied together.
struct Gathered {
  kernels::Activations x;
  std::vector<float> values, scales;
  std::vector<int8_t> codes;

  Gathered(const kernels::Activations& all, const std::vector<int64_t>& rows) : x(all) {
    x.tokens = static_cast<int64_t>(rows.size());
    x.stamp = 0;
    for (const int64_t row : rows) {
      take_row(values, all.values, row, all.cols);
      take_row(codes, all.codes, row, all.code_stride);
      take_row(scales, all.scales, row, all.groups());
    }
    if (all.values != nullptr) x.values = values.data();
    if (all.codes != nullptr) x.codes = codes.data();
    if (all.scales != nullptr) x.scales = scales.data();
  }
};

}  // namespace

void Ops::top_k(Executor::State& s, const graph::Node& node, Rows r) {
  const int64_t experts = s.value(node.inputs[0]).width, width = s.value(node.output).width;
  const float* x = s.rows_of(node.inputs[0]);
  float* y = s.rows_of(node.output);
  for (int64_t t = r.first; t < r.first + r.count; ++t) {
    choose(s.isa, node.top_k, x + t * experts, experts, y + t * width);
  }
}

void Ops::expert_linear(Executor::State& s, const graph::Node& node, Rows) {
  const tensor::Weight& weight = *s.weights.at(node.weights[0]);
  const int64_t experts = weight.shape[0], rows = weight.shape[1], k = s.value(node.inputs[1]).width / 2;
  const int64_t inputs = s.value(node.inputs[0]).slots;  // of a token: 1 or k
  const float* chosen = s.rows_of(node.inputs[1]);
  float* out = s.rows_of(node.output);
  std::vector<std::vector<int64_t>> from(static_cast<size_t>(experts)), to = from;
  for (int64_t i = 0; i < s.rows * k; ++i) {
    const auto expert = static_cast<size_t>(chosen[i / k * 2 * k + i % k]);
    from[expert].push_back(inputs == 1 ? i / k : i);
    to[expert].push_back(i);
  }
  const kernels::Activations all = activations_of(s, node.inputs[0]);
  std::vector<float> part;
  for (int64_t e = 0; e < experts; ++e) {
    const std::vector<int64_t>& targets = to[static_cast<size_t>(e)];
    if (targets.empty()) continue;
    const Gathered gathered(all, from[static_cast<size_t>(e)]);
    part.resize(targets.size() * static_cast<size_t>(rows));
    s.product(node).run(e * rows, (e + 1) * rows, gathered.x, *s.pool, part.data(), rows);
    for (size_t i = 0; i < targets.size(); ++i) {
      std::memcpy(out + targets[i] * rows, part.data() + i * static_cast<size_t>(rows),
                  static_cast<size_t>(rows) * sizeof(float));
    }
  }
}

void Ops::combine(Executor::State& s, const graph::Node& node, Rows r) {
  const int64_t width = s.value(node.output).width, k = s.value(node.inputs[1]).width / 2;
  const float* parts = s.rows_of(node.inputs[0]);
  const float* chosen = s.rows_of(node.inputs[1]);
  float* y = s.rows_of(node.output);
  for (int64_t t = r.first; t < r.first + r.count; ++t) {
    kernels::combine(s.isa, {width, k, chosen + t * 2 * k + k, parts + t * k * width, y + t * width});
  }
}

}  // namespace lowbit::exec

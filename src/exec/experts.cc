// Mixture of experts. The tokens of one expert are gathered and multiplied together: each output is a chain of its
// own, so what else is in the batch changes nothing.
#include <algorithm>
#include <cstring>
#include <numeric>

#include "base/bits.h"
#include "exec/room.h"
#include "exec/state.h"
#include "kernels/rows/rows.h"

namespace lowbit::exec {
namespace {

constexpr int64_t kRowsAtOnce = 16;  // that a thread copies

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

// What tokens chose, sorted by expert. Choice i is slot i % k of token i / k.
struct Routes {
  std::vector<int64_t> begin;    // of an expert's choices, [experts + 1]
  std::vector<int64_t> choices;  // ascending within an expert
  std::vector<int64_t> rows;     // of the activations that they read

  // chosen: [token][2 k], ids and weights. Activations have a row for each token, or one for each choice.
  void sort(const float* chosen, int64_t tokens, int64_t k, int64_t experts, bool row_of_token) {
    const auto expert = [&](int64_t choice) { return static_cast<size_t>(chosen[choice / k * 2 * k + choice % k]); };
    begin.assign(static_cast<size_t>(experts) + 1, 0);
    choices.resize(static_cast<size_t>(tokens * k));
    rows.resize(choices.size());
    for (int64_t i = 0; i < tokens * k; ++i) ++begin[expert(i) + 1];
    std::partial_sum(begin.begin(), begin.end(), begin.begin());
    // Each beginning moves to the next one, and back.
    for (int64_t i = 0; i < tokens * k; ++i) choices[static_cast<size_t>(begin[expert(i)]++)] = i;
    std::copy_backward(begin.begin(), begin.end() - 1, begin.end());
    begin[0] = 0;
    for (size_t i = 0; i < choices.size(); ++i) rows[i] = row_of_token ? choices[i] / k : choices[i];
  }
  int64_t count(size_t expert) const { return begin[expert + 1] - begin[expert]; }
  // Experts that were chosen, those of the fewest tokens first: what kernels make of activations for few tokens
  // serves all of them, if nothing comes between.
  void by_count(std::vector<size_t>& experts) const {
    experts.clear();
    for (size_t e = 0; e + 1 < begin.size(); ++e) {
      if (count(e) > 0) experts.push_back(e);
    }
    std::ranges::sort(experts, {}, [&](size_t e) { return std::pair(count(e), e); });
  }
  // Whether the choices of every expert read rows that follow each other.
  bool lie_together() const {
    for (size_t e = 0; e + 1 < begin.size(); ++e) {
      for (auto i = static_cast<size_t>(begin[e]); i + 1 < static_cast<size_t>(begin[e + 1]); ++i) {
        if (rows[i + 1] != rows[i] + 1) return false;
      }
    }
    return true;
  }
};

// Rows of activations, copied in this order.
class Gathered {
 public:
  const kernels::Activations& gather(const kernels::Activations& all, std::span<const int64_t> rows,
                                     ThreadPool& pool) {
    x_ = all;
    x_.tokens = std::ssize(rows);
    x_.stamp = kernels::new_stamp();
    if (all.values != nullptr) x_.values = take(values_, all.values, all.cols, rows, pool);
    if (all.codes != nullptr) x_.codes = take(codes_, all.codes, all.code_stride, rows, pool);
    if (all.scales != nullptr) x_.scales = take(scales_, all.scales, all.groups(), rows, pool);
    return x_;
  }

 private:
  template <class T>
  static const T* take(Room& room, const T* from, int64_t width, std::span<const int64_t> rows, ThreadPool& pool) {
    T* to = reinterpret_cast<T*>(room.bytes(width * std::ssize(rows) * static_cast<int64_t>(sizeof(T))));
    pool.parallel_for(std::ssize(rows), kRowsAtOnce, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) {
        std::copy_n(from + rows[static_cast<size_t>(i)] * width, width, to + i * width);
      }
    });
    return to;
  }

  kernels::Activations x_;
  Room values_, codes_, scales_;
};

// Of a pass, kept for the next one.
struct ExpertScratch {
  Routes routes;
  Gathered gathered;
  std::vector<size_t> experts;               // that were chosen
  std::vector<kernels::Activations> tokens;  // of each of them
  std::vector<kernels::ProductRun> runs;
  std::vector<Room> rooms;  // node -> results by sorted choice, [choice][rows]

  float* sorted(size_t node, int64_t rows) { return rooms[node].floats(std::ssize(routes.choices) * rows); }
  // Results of experts with several choices to their places; that of a single one is there already.
  void scatter(size_t node, int64_t rows, float* out, ThreadPool& pool) {
    const float* from = sorted(node, rows);
    pool.parallel_for(std::ssize(routes.begin) - 1, 1, [&](int64_t first, int64_t last, int) {
      for (int64_t e = first; e < last; ++e) {
        const int64_t begin = routes.begin[static_cast<size_t>(e)], end = routes.begin[static_cast<size_t>(e) + 1];
        for (int64_t i = begin; i < end && end - begin > 1; ++i) {
          std::copy_n(from + i * rows, rows, out + routes.choices[static_cast<size_t>(i)] * rows);
        }
      }
    });
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

void Ops::expert_linear(Executor::State& s, const graph::Node& node, Rows) { run_experts(s, {&node, 1}); }

void run_experts(Executor::State& s, std::span<const graph::Node> nodes) {
  static thread_local ExpertScratch scratch;
  Routes& routes = scratch.routes;
  const std::vector<graph::ValueId>& inputs = nodes[0].inputs;
  const int64_t k = s.value(inputs[1]).width / 2, experts = s.parameter(nodes[0]).weight->shape[0];
  routes.sort(s.rows_of(inputs[1]), s.rows, k, experts, s.value(inputs[0]).slots == 1);
  const kernels::Activations all = activations_of(s, inputs[0]);
  const bool in_place = routes.lie_together();
  const kernels::Activations& x = in_place ? all : scratch.gathered.gather(all, routes.rows, *s.pool);

  routes.by_count(scratch.experts);
  scratch.tokens.clear();
  scratch.tokens.reserve(scratch.experts.size());  // runs point to them
  scratch.runs.clear();
  scratch.rooms.resize(std::max(scratch.rooms.size(), nodes.size()));
  for (const size_t e : scratch.experts) {
    const auto first = static_cast<size_t>(routes.begin[e]);
    scratch.tokens.push_back(x.some(in_place ? routes.rows[first] : routes.begin[e], routes.count(e)));
    for (size_t n = 0; n < nodes.size(); ++n) {
      const int64_t rows = s.parameter(nodes[n]).weight->shape[1];
      float* out = routes.count(e) > 1 ? scratch.sorted(n, rows) + routes.begin[e] * rows
                                       : s.rows_of(nodes[n].output) + routes.choices[first] * rows;
      const auto expert = static_cast<int64_t>(e);
      scratch.runs.push_back(
          {&s.product(nodes[n]), expert * rows, (expert + 1) * rows, &scratch.tokens.back(), out, rows});
    }
  }
  kernels::run_products(scratch.runs, *s.pool);
  if (routes.count(scratch.experts.back()) == 1) return;  // that of the most tokens
  for (size_t n = 0; n < nodes.size(); ++n) {
    scratch.scatter(n, s.parameter(nodes[n]).weight->shape[1], s.rows_of(nodes[n].output), *s.pool);
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

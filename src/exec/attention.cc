// Attention over the cache. For one query the definition is: scores s_j = chain of fma over the head's dimensions;
// softmax as in kernels/rows (scaled, less the maximum, sum in 16 lanes by position); output = chain of fma over
// positions ascending, divided by the sum. Nothing depends on where a chunk begins.
#include <algorithm>
#include <cstring>

#include "base/bits.h"
#include "exec/state.h"
#include "kernels/gemm/gemm.h"
#include "kernels/rows/rows.h"

namespace lowbit::exec {
namespace {

constexpr int64_t kTokenTile = 16;   // queries that share the widened keys and values
constexpr int64_t kValueTile = 256;  // positions widened at a time

struct Task {
  const graph::Attention* a;
  const KvStore* store;
  Isa isa;
  const float* q;  // row of the first token of the tile
  float* out;
  int64_t tokens;    // in the tile
  int64_t position;  // of the first
  int64_t length;    // of the sequence, with the tokens of this pass
  int64_t kv_head;

  // Positions that token i of the tile sees. Both ascend with i.
  int64_t first(int64_t i) const { return a->first_key(position + i); }
  int64_t end(int64_t i) const { return a->end_key(position + i, length); }
  // The scores of a tile begin at this position, a multiple of 16: what lies before it, no token of the tile sees.
  int64_t base() const { return first(0) / 16 * 16; }
};

struct Scratch {
  std::vector<float> q, scores, panel, values, out, sums;
};

void score_keys(const Task& t, int64_t rows, int64_t width, Scratch& s) {
  const int64_t dim = t.a->dim;
  s.scores.assign(static_cast<size_t>(rows * width), 0.0f);
  s.panel.resize(static_cast<size_t>(dim * 16));
  for (int64_t at = 0; at < width; at += 16) {
    const float* keys = t.store->keys(t.isa, t.kv_head, (t.base() + at) / 16, s.panel.data());
    kernels::gemm(t.isa, {rows, 16, dim, s.q.data(), dim, 1, keys, 16, s.scores.data() + at, width});
  }
}

// out += scores * values over positions [begin, end) for `rows` rows from `first`.
void mix_values(const Task& t, int64_t first, int64_t rows, int64_t begin, int64_t end, int64_t width, Scratch& s) {
  const int64_t dim = t.a->dim;
  s.values.resize(static_cast<size_t>(kValueTile * dim));
  for (int64_t p = begin; p < end; p += kValueTile) {
    const int64_t stop = std::min(end, p + kValueTile);
    const float* values = t.store->values(t.isa, t.kv_head, p, stop, s.values.data());
    kernels::gemm(t.isa, {rows, dim, stop - p, s.scores.data() + first * width + p - t.base(), width, 1, values, dim,
                          s.out.data() + first * dim, dim});
  }
}

void run_task(const Task& t) {
  static thread_local Scratch s;
  const int64_t dim = t.a->dim, group = t.a->heads / t.a->kv_heads;
  const int64_t row_width = int64_t{t.a->heads} * dim, rows = t.tokens * group;
  const int64_t base = t.base(), width = round_up(t.end(t.tokens - 1) - base, 16);
  s.q.resize(static_cast<size_t>(rows * dim));
  for (int64_t i = 0; i < t.tokens; ++i) {
    std::memcpy(s.q.data() + i * group * dim, t.q + i * row_width + t.kv_head * group * dim,
                static_cast<size_t>(group * dim) * sizeof(float));
  }
  score_keys(t, rows, width, s);
  s.sums.resize(static_cast<size_t>(rows));
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t i = r / group;
    kernels::softmax(t.isa, {t.end(i) - base, t.a->scale, s.scores.data() + r * width,
                             &s.sums[static_cast<size_t>(r)], t.first(i) - base, t.a->softcap});
  }
  s.out.assign(static_cast<size_t>(rows * dim), 0.0f);
  // A chain may begin with weights of 0, which leave +0 as it is, but not end with them: -0 + 0 is +0.
  const int64_t common = t.end(0);
  mix_values(t, 0, rows, base, common, width, s);
  for (int64_t i = 1; i < t.tokens; ++i) mix_values(t, i * group, group, common, t.end(i), width, s);
  for (int64_t r = 0; r < rows; ++r) {
    float* out = t.out + r / group * row_width + (t.kv_head * group + r % group) * dim;
    for (int64_t d = 0; d < dim; ++d)
      out[d] = s.out[static_cast<size_t>(r * dim + d)] / s.sums[static_cast<size_t>(r)];
  }
}

}  // namespace

void Ops::attention(Executor::State& s, const graph::Node& node) {
  const graph::Attention& a = node.attention;
  const float* q = s.buffer(node.inputs[0]).values.data();
  const float* k = s.buffer(node.inputs[1]).values.data();
  const float* v = s.buffer(node.inputs[2]).values.data();
  float* out = s.buffer(node.output).values.data();
  const int64_t q_width = int64_t{a.heads} * a.dim, kv_width = int64_t{a.kv_heads} * a.dim;
  std::vector<Task> tasks;
  int64_t row = 0;
  for (const Segment& segment : s.segments) {
    KvStore& store = segment.cache->state().layers[static_cast<size_t>(a.layer)];
    const auto count = static_cast<int64_t>(segment.tokens.size());
    for (int64_t i = 0; i < count; ++i) {
      store.put(s.positions[static_cast<size_t>(row + i)], k + (row + i) * kv_width, v + (row + i) * kv_width);
    }
    for (int64_t i = 0; i < count; i += kTokenTile) {
      for (int64_t head = 0; head < a.kv_heads; ++head) {
        tasks.push_back({&a, &store, s.isa, q + (row + i) * q_width, out + (row + i) * q_width,
                         std::min(kTokenTile, count - i), s.positions[static_cast<size_t>(row + i)],
                         segment.cache->length() + count, head});
      }
    }
    row += count;
  }
  s.pool->parallel_for(static_cast<int64_t>(tasks.size()), 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) run_task(tasks[static_cast<size_t>(i)]);
  });
}

}  // namespace lowbit::exec

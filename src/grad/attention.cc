// The rule of grouped-query attention over one whole sequence. For a head, with P the softmax of the scaled (and
// capped) scores and O = P V:
//   dV = P^T dO,  dP = dO V^T,  dS = scale P (dP - rowsum(P dP)),  dQ = dS K,  dK = dS^T Q
// P is computed again from q and k. Heads that share keys and values add to one chain, in their order.
#include <algorithm>
#include <cstring>

#include "base/bits.h"
#include "grad/rules.h"
#include "kernels/gemm/gemm.h"
#include "kernels/rows/rows.h"

namespace lowbit::grad {
namespace {

constexpr int64_t kTile = 16;  // queries or keys of a task: the unit in which softmax pads a row

struct Head {
  Isa isa;
  const graph::Attention& a;
  int64_t tokens, padded, dim;  // padded: tokens, up to a multiple of kTile; columns of p and ds
  Rows q, k, dout;              // [tokens][dim]
  Rows k_panels, v_panels;      // [padded / 16][dim][16], zeros beyond tokens
  Rows p, ds;                   // [tokens][padded]; 0 where a query does not see a key
};

// One head's columns of rows [tokens][heads * dim].
void take_head(const Rows& rows, int64_t heads, int64_t head, const Head& h, Rows& out) {
  out.resize(static_cast<size_t>(h.tokens * h.dim));
  for (int64_t t = 0; t < h.tokens; ++t) {
    std::memcpy(out.data() + t * h.dim, rows.data() + (t * heads + head) * h.dim,
                static_cast<size_t>(h.dim) * sizeof(float));
  }
}

void take_panels(const Rows& rows, int64_t heads, int64_t head, const Head& h, Rows& out) {
  out.assign(static_cast<size_t>(h.padded * h.dim), 0.0f);
  for (int64_t t = 0; t < h.tokens; ++t) {
    const float* row = rows.data() + (t * heads + head) * h.dim;
    float* panel = out.data() + t / 16 * 16 * h.dim + t % 16;
    for (int64_t d = 0; d < h.dim; ++d) panel[d * 16] = row[d];
  }
}

// Turns a row of scores and dP into P and dS; both begin at position `base`.
void softmax_row(const Head& h, int64_t query, int64_t base, float* p, float* ds) {
  const int64_t seen = h.a.end_key(query, h.tokens) - base, first = h.a.first_key(query) - base;
  const float cap = h.a.softcap;
  static thread_local Rows slope;
  if (cap > 0.0f) {
    slope.assign(p, p + seen);
    kernels::scale(h.isa, {seen, slope.data(), h.a.scale, slope.data()});
    kernels::softcap(h.isa, {seen, slope.data(), cap, slope.data()});
    for (float& v : slope) v = 1.0f - (v / cap) * (v / cap);
  }
  float sum = 0.0f;
  kernels::softmax(h.isa, {seen, h.a.scale, p, &sum, first, cap});
  double mean = 0.0;
  for (int64_t j = 0; j < seen; ++j) {
    p[j] /= sum;
    mean += static_cast<double>(p[j]) * static_cast<double>(ds[j]);
  }
  const auto shift = static_cast<float>(mean);
  for (int64_t j = 0; j < seen; ++j) {
    ds[j] = h.a.scale * (p[j] * (ds[j] - shift));
    if (cap > 0.0f) ds[j] *= slope[static_cast<size_t>(j)];
  }
  std::fill(p + seen, p + h.padded - base, 0.0f);
  std::fill(ds + seen, ds + h.padded - base, 0.0f);
}

// p and ds of a tile of queries, and their rows of dq.
void query_tile(Head& h, int64_t first, float* dq, int64_t dq_stride) {
  const int64_t count = std::min(kTile, h.tokens - first), last = first + count - 1;
  const int64_t base = h.a.first_key(first) / 16 * 16, end = h.a.end_key(last, h.tokens);
  float* p = h.p.data() + first * h.padded;
  float* ds = h.ds.data() + first * h.padded;
  std::fill_n(p, count * h.padded, 0.0f);
  std::fill_n(ds, count * h.padded, 0.0f);
  for (int64_t key = base; key < end; key += 16) {
    kernels::gemm_chain(h.isa, count, 16, h.dim, h.q.data() + first * h.dim, h.dim, h.k_panels.data() + key * h.dim,
                        16, p + key, h.padded);
    kernels::gemm_chain(h.isa, count, 16, h.dim, h.dout.data() + first * h.dim, h.dim,
                        h.v_panels.data() + key * h.dim, 16, ds + key, h.padded);
  }
  for (int64_t r = 0; r < count; ++r) {
    softmax_row(h, first + r, base, p + r * h.padded + base, ds + r * h.padded + base);
  }
  kernels::gemm_chain(h.isa, count, h.dim, end - base, ds + base, h.padded, h.k.data() + base * h.dim, h.dim, dq,
                      dq_stride);
}

// Rows of dk and dv of a tile of keys: sums over the queries that see them, ascending.
void key_tile(const Head& h, int64_t first, float* dk, float* dv, int64_t stride) {
  const int64_t count = std::min(kTile, h.tokens - first), window = h.a.window;
  const int64_t begin = h.a.causal ? first : window > 0 ? std::max<int64_t>(0, first - window + 1) : 0;
  const int64_t end = window > 0 ? std::min(h.tokens, first + count - 1 + window) : h.tokens;
  const int64_t at = begin * h.padded + first, queries = end - begin;
  kernels::gemm(
      h.isa, {count, h.dim, queries, h.ds.data() + at, 1, h.padded, h.q.data() + begin * h.dim, h.dim, dk, stride});
  kernels::gemm(
      h.isa, {count, h.dim, queries, h.p.data() + at, 1, h.padded, h.dout.data() + begin * h.dim, h.dim, dv, stride});
}

void attention_backward(Backward::State& s, const graph::Node& node, Rows& gradient) {
  const graph::Attention& a = node.attention;
  const Rows& q = s.value(node.inputs[0]);
  const Rows& k = s.value(node.inputs[1]);
  const Rows& v = s.value(node.inputs[2]);
  Rows dq = s.zeros(node.inputs[0]), dk = s.zeros(node.inputs[1]), dv = s.zeros(node.inputs[2]);
  const int64_t q_width = s.width(node.inputs[0]), kv_width = s.width(node.inputs[1]);
  Head h{s.isa, a, s.tokens, round_up(s.tokens, kTile), a.dim, {}, {}, {}, {}, {}, {}, {}};
  h.p.resize(static_cast<size_t>(h.tokens * h.padded));
  h.ds.resize(h.p.size());
  for (int64_t head = 0; head < a.heads; ++head) {
    const int64_t group = a.heads / a.kv_heads, kv_head = head / group;
    take_head(q, a.heads, head, h, h.q);
    take_head(gradient, a.heads, head, h, h.dout);
    if (head % group == 0) {
      take_head(k, a.kv_heads, kv_head, h, h.k);
      take_panels(k, a.kv_heads, kv_head, h, h.k_panels);
      take_panels(v, a.kv_heads, kv_head, h, h.v_panels);
    }
    s.pool->parallel_for(h.padded / kTile, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t t = begin * kTile; t < end * kTile; t += kTile) {
        query_tile(h, t, dq.data() + t * q_width + head * a.dim, q_width);
      }
    });
    s.pool->parallel_for(h.padded / kTile, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t t = begin * kTile; t < end * kTile; t += kTile) {
        const int64_t at = t * kv_width + kv_head * a.dim;
        key_tile(h, t, dk.data() + at, dv.data() + at, kv_width);
      }
    });
  }
  s.give(node.inputs[0], std::move(dq));
  s.give(node.inputs[1], std::move(dk));
  s.give(node.inputs[2], std::move(dv));
}

}  // namespace

namespace rules {
constinit const Rule attention{attention_backward, kNeedsFirst | kNeedsSecond | kNeedsThird};
}  // namespace rules

}  // namespace lowbit::grad

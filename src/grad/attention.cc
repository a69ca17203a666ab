// The rule of causal grouped-query attention over one whole sequence. For a head, with P the softmax of the scaled
// scores and O = P V:
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
  int64_t tokens, padded, dim;  // padded: tokens, up to a multiple of kTile; columns of p and ds
  float scale;
  Rows q, k, dout;          // [tokens][dim]
  Rows k_panels, v_panels;  // [padded / 16][dim][16], zeros beyond tokens
  Rows p, ds;               // [tokens][padded]; a row is written up to the end of its own tile
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

// p and ds of a tile of queries, and their rows of dq.
void query_tile(Head& h, int64_t first, float* dq, int64_t dq_stride) {
  const int64_t count = std::min(kTile, h.tokens - first), width = first + kTile;
  float* p = h.p.data() + first * h.padded;
  float* ds = h.ds.data() + first * h.padded;
  for (int64_t r = 0; r < count; ++r) {
    std::fill_n(p + r * h.padded, width, 0.0f);
    std::fill_n(ds + r * h.padded, width, 0.0f);
  }
  for (int64_t key = 0; key < width; key += 16) {
    kernels::gemm_chain(h.isa, count, 16, h.dim, h.q.data() + first * h.dim, h.dim, h.k_panels.data() + key * h.dim,
                        16, p + key, h.padded);
    kernels::gemm_chain(h.isa, count, 16, h.dim, h.dout.data() + first * h.dim, h.dim,
                        h.v_panels.data() + key * h.dim, 16, ds + key, h.padded);
  }
  for (int64_t r = 0; r < count; ++r) {
    float* p_row = p + r * h.padded;
    float* ds_row = ds + r * h.padded;
    const int64_t seen = first + r + 1;
    float sum = 0.0f;
    kernels::softmax(h.isa, {seen, h.scale, p_row, &sum});  // zero beyond `seen`
    double mean = 0.0;
    for (int64_t j = 0; j < seen; ++j) {
      p_row[j] /= sum;
      mean += static_cast<double>(p_row[j]) * static_cast<double>(ds_row[j]);
    }
    const auto shift = static_cast<float>(mean);
    for (int64_t j = 0; j < width; ++j) ds_row[j] = h.scale * (p_row[j] * (ds_row[j] - shift));
  }
  const int64_t keys = std::min(width, h.tokens);
  kernels::gemm_chain(h.isa, count, h.dim, keys, ds, h.padded, h.k.data(), h.dim, dq, dq_stride);
}

// Rows of dk and dv of a tile of keys: sums over the queries that see them, ascending.
void key_tile(const Head& h, int64_t first, float* dk, float* dv, int64_t stride) {
  const int64_t count = std::min(kTile, h.tokens - first), queries = h.tokens - first;
  const int64_t at = first * h.padded + first;
  kernels::gemm(
      h.isa, {count, h.dim, queries, h.ds.data() + at, 1, h.padded, h.q.data() + first * h.dim, h.dim, dk, stride});
  kernels::gemm(
      h.isa, {count, h.dim, queries, h.p.data() + at, 1, h.padded, h.dout.data() + first * h.dim, h.dim, dv, stride});
}

void attention_backward(Backward::State& s, const graph::Node& node, Rows& gradient) {
  const graph::Attention& a = node.attention;
  const Rows& q = s.value(node.inputs[0]);
  const Rows& k = s.value(node.inputs[1]);
  const Rows& v = s.value(node.inputs[2]);
  Rows dq = s.zeros(node.inputs[0]), dk = s.zeros(node.inputs[1]), dv = s.zeros(node.inputs[2]);
  const int64_t q_width = s.width(node.inputs[0]), kv_width = s.width(node.inputs[1]);
  Head h{s.isa, s.tokens, round_up(s.tokens, kTile), a.dim, a.scale, {}, {}, {}, {}, {}, {}, {}};
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
constinit const Rule attention{attention_backward, true};
}  // namespace rules

}  // namespace lowbit::grad

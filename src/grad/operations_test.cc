// The rules of the operations beyond llama's, each against differences in double.
#include <gtest/gtest.h>

#include "grad/rule_bench.h"

namespace lowbit::grad {
namespace {

TEST(Rules, LayerNorm) {
  for (const int64_t width : {37, 16, 5}) {
    Bench t(width);
    t.check(t.b.layer_norm("norm", t.x, "norm", width, 1e-2f), width);
  }
}

TEST(Rules, RmsNormOfHeads) {
  Bench t(40);
  t.check(t.b.rms_norm("norm", t.x, "norm", 10, 1e-2f), 40);
}

TEST(Rules, BiasesAndPositions) {
  Bench t(24);
  const graph::ValueId sum = t.b.add("sum", t.x, t.b.embed_positions("positions", "p", 30, 24));
  t.check(t.b.row_bias("type", t.b.bias("bias", sum, "b", 24), "types", 1, 2, 24), 24);
}

TEST(Rules, Pointwise) {
  Bench t(24);
  t.weights["wa"] = random_weight({19, 24}, 8, 4.0);
  const graph::ValueId a = t.b.linear("a", t.x, "wa", 19, 24), b = t.b.linear("b", t.x, "wb", 19, 24);
  const graph::ValueId gelus = t.b.multiply("product", t.b.gelu_tanh("tanh", a), t.b.gelu_erf("erf", a));
  const graph::ValueId capped = t.b.softcap("capped", t.b.scale("scaled", b, 3.0f), 2.0f);
  t.check(t.b.slice("slice", t.b.add("sum", gelus, capped), 3, 11), 11);
}

TEST(Rules, RopeInPartWithFactors) {
  for (const bool halves : {false, true}) {
    Bench t(36);
    graph::Rope rope{3, 12, 100.0, 0.5, halves};
    rope.turned = 8;
    rope.amplitude = 1.3;
    t.check(t.b.rope("rope", t.x, rope, "factors"), 36);
  }
}

TEST(Rules, Hadamard) {
  for (const int64_t dim : {1, 2, 8, 32}) {
    Bench t(32);
    graph::Node node;
    node.op = graph::Op::hadamard;
    node.name = "hadamard";
    node.inputs = {t.x};
    node.dim = dim;
    t.check(t.graph.add(std::move(node)), 32);
  }
}

void check_attention(int32_t count, int32_t window, float softcap, bool causal) {
  constexpr int32_t heads = 4, kv_heads = 2, dim = 8;
  Bench t(heads * dim, count);
  const graph::ValueId q = t.b.linear("q", t.x, "wq", heads * dim, heads * dim);
  const graph::ValueId k = t.b.linear("k", t.x, "wk", kv_heads * dim, heads * dim);
  const graph::ValueId v = t.b.linear("v", t.x, "wv", kv_heads * dim, heads * dim);
  t.check(t.b.attention("attention", q, k, v, {0, heads, kv_heads, dim, 1.0f, {}, window, softcap, causal}),
          heads * dim);
}

TEST(Rules, AttentionOfEveryKind) {
  for (const int32_t window : {0, 2, 17, 30}) {
    for (const float softcap : {0.0f, 3.0f}) {
      for (const bool causal : {true, false}) check_attention(45, window, softcap, causal);
    }
  }
}

TEST(Rules, Experts) {
  for (const graph::TopK& top : {graph::TopK{2, true, false}, graph::TopK{3, true, true},
                                 graph::TopK{2, false, false}, graph::TopK{1, true, false}}) {
    Bench t(20);
    const graph::ValueId router = t.b.linear("router", t.x, "wr", 6, 20);
    const graph::ValueId chosen = t.b.top_k("chosen", router, top);
    const graph::ValueId up = t.b.expert_linear("up", t.x, chosen, "wu", {6, 12, 20});
    const graph::ValueId gate = t.b.expert_linear("gate", t.x, chosen, "wg", {6, 12, 20});
    const graph::ValueId down =
        t.b.expert_linear("down", t.b.silu_gate("gated", gate, up), chosen, "wd", {6, 17, 12});
    t.check(t.b.combine("mixed", down, chosen), 17);
  }
}

}  // namespace
}  // namespace lowbit::grad

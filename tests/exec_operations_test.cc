// Operations beyond llama's: exec gives the bits of the interpreter for any ISA, threads and chunking.
#include <fmt/format.h>

#include "models/blocks.h"
#include "tiny_llama.h"

namespace lowbit {
namespace {

using graph::NumericPolicy;
using graph::ValueId;
using test::Values;

struct Case {
  graph::Graph graph;
  models::Builder b{graph};
  bool chunks = true;  // false: a sequence in one pass
};

// Weights in mixed formats; matrices of many rows in two parts and an order of their own.
tensor::Weights random_weights(const graph::Graph& graph, Rng& rng) {
  static const std::vector<std::vector<const char*>> kLists = {
      {"int4/32:f16"}, {"f32"}, {"int8/32:f16", "int3/32:f16"}, {"nf4/16:f32"}, {"q8_0"}};
  tensor::Weights weights;
  size_t next = 0;
  for (const graph::Parameter& p : graph.parameters) {
    weights[p.name] = test::tiny_weight(
        {p.name, p.shape},
        [&](const std::string&) {
          std::vector<formats::Format> formats;
          for (const char* name : kLists[next++ % kLists.size()]) formats.push_back(test::format_of(name));
          return formats;
        },
        rng);
  }
  return weights;
}

void check(Case& c, const std::string& what, int64_t count, int64_t vocabulary) {
  Rng rng(61, static_cast<uint64_t>(count));
  ASSERT_TRUE(graph::infer_shapes(c.graph).ok()) << graph::infer_shapes(c.graph).message();
  const tensor::Weights weights = random_weights(c.graph, rng);
  NumericPolicy blocks = NumericPolicy::standard();
  blocks.integer_activations = test::format_of("int8/10:f32");
  blocks.other_activations = test::format_of("bf16");
  blocks.kv = test::format_of("int8/32");
  const auto tokens = test::random_tokens(count, vocabulary, rng);
  for (const NumericPolicy& policy : {NumericPolicy::standard(), NumericPolicy::reference(), blocks}) {
    const graph::Graph graph = test::with_casts(c.graph, weights, policy);
    const Values expected = test::interpreted(graph, weights, tokens);
    for (const Isa isa : offered_isas()) {
      for (const size_t chunk : {tokens.size(), size_t{17}, size_t{1}}) {
        if (!c.chunks && chunk != tokens.size()) continue;
        const auto runner = test::executor(graph, weights, isa, chunk % 2 == 0 ? 1 : 2);
        exec::Cache cache = runner->new_cache(count);
        Values taps;
        for (size_t begin = 0; begin < tokens.size(); begin += chunk) {
          const auto part = std::span(tokens).subspan(begin, std::min(chunk, tokens.size() - begin));
          const exec::Segment segment{part, &cache, static_cast<int64_t>(part.size())};
          test::run_tapped(*runner, {&segment, 1}, taps);
        }
        test::expect_same_values(graph, taps, expected, fmt::format("{}, {}, {}", what, isa_name(isa), chunk));
        if (testing::Test::HasFatalFailure()) return;
      }
    }
  }
}

TEST(ExecOperations, RowByRow) {
  Case c;
  models::Builder& b = c.b;
  ValueId x = b.embed("e", 20, 42);
  x = b.add("placed", x, b.embed_positions("positions", "p", 40, 42));
  x = b.row_bias("type", x, "types", 1, 2, 42);
  x = b.bias("norm_bias", b.layer_norm("norm", x, "n", 42, 1e-5f), "nb", 42);
  x = b.rms_norm("heads", x, "h", 14, 1e-5f);
  x = b.rms_norm("heads_again", x, "h", 14, 1e-5f);  // a parameter of several nodes
  const ValueId up = b.linear("up", x, "u", 70, 42);
  const ValueId gate = b.gelu_tanh("gate", b.slice("gate_part", up, 0, 35));
  const ValueId other = b.gelu_erf("other", b.slice("other_part", up, 35, 35));
  const ValueId down = b.linear("down", b.multiply("gated", gate, other), "d", 42, 35);
  const ValueId logits = b.linear("head", b.scale("scaled", down, 0.22f), "e", 20, 42);
  c.graph.logits = b.softcap("logits", logits, 3.0f);
  check(c, "row by row", 37, 20);
}

TEST(ExecOperations, Experts) {
  for (const graph::TopK& top : {graph::TopK{2, true, false}, graph::TopK{3, true, true},
                                 graph::TopK{3, false, false}, graph::TopK{1, true, false}}) {
    Case c;
    models::Builder& b = c.b;
    const ValueId x = b.embed("e", 20, 33);
    const ValueId chosen = b.top_k("chosen", b.linear("router", x, "r", 7, 33), top);
    const ValueId gate = b.expert_linear("gate", x, chosen, "g", {7, 21, 33});
    const ValueId up = b.expert_linear("up", x, chosen, "u", {7, 21, 33});
    const ValueId down = b.expert_linear("down", b.silu_gate("gated", gate, up), chosen, "d", {7, 33, 21});
    c.graph.logits = b.linear("logits", b.add("sum", x, b.combine("mixed", down, chosen)), "o", 20, 33);
    check(c, fmt::format("{} experts", top.k), 23, 20);
  }
}

void check_attention(int32_t window, float softcap, bool causal, int64_t count) {
  Case c;
  c.chunks = causal;
  models::Builder& b = c.b;
  const ValueId x = b.embed("e", 20, 32);
  graph::Rope rope{4, 8, 100.0, 0.5, true};
  rope.turned = 6;
  rope.amplitude = 1.2;
  const ValueId q = b.rope("q_turned", b.linear("q", x, "q", 32, 32), rope, "factors");
  rope.heads = 2;
  const ValueId k = b.rope("k_turned", b.linear("k", x, "k", 16, 32), rope, "factors");
  const ValueId v = b.linear("v", x, "v", 16, 32);
  const ValueId y = b.attention("a", q, k, v, {0, 4, 2, 8, 0.35f, {}, window, softcap, causal});
  c.graph.logits = b.linear("logits", b.add("sum", x, y), "e", 20, 32);
  check(c, fmt::format("window {}, cap {}, causal {}", window, softcap, causal), count, 20);
}

TEST(ExecOperations, AttentionOfEveryKind) {
  for (const int32_t window : {0, 1, 5, 16, 17, 40, 100}) {
    for (const bool causal : {true, false}) check_attention(window, window % 2 == 0 ? 0.0f : 2.0f, causal, 53);
  }
  check_attention(20, 0.0f, true, 300);
  check_attention(270, 0.0f, false, 600);
}

// Encoders read a text in one pass, and positions end where their table ends.
TEST(ExecOperations, RefusalsAreSentences) {
  Rng rng(62);
  Case c;
  const ValueId x = c.b.add("placed", c.b.embed("e", 20, 8), c.b.embed_positions("positions", "p", 6, 8));
  c.graph.logits = c.b.attention("a", x, x, x, {0, 1, 1, 8, 0.35f, {}, 0, 0.0f, false});
  ASSERT_TRUE(graph::infer_shapes(c.graph).ok());
  const tensor::Weights weights = random_weights(c.graph, rng);
  const graph::Graph graph = test::with_casts(c.graph, weights, NumericPolicy::reference());
  const auto runner = test::executor(graph, weights, active_isa(), 1);
  exec::Cache cache = runner->new_cache(20);
  const std::vector<int32_t> long_text(7, 19), text(3, 19), wrong = {20};
  std::vector<float> rows;
  const auto message = [&](const std::vector<int32_t>& tokens) {
    const exec::Segment segment{tokens, &cache, static_cast<int64_t>(tokens.size())};
    const Status status = runner->forward({&segment, 1}, rows);
    return status.ok() ? std::string() : status.message();
  };
  EXPECT_NE(message(long_text).find("6 positions"), std::string::npos);
  EXPECT_NE(message(wrong).find("vocabulary of 20"), std::string::npos);
  EXPECT_EQ(message(text), "");
  EXPECT_EQ(rows.size(), 3u * 8u);
  EXPECT_NE(message(text).find("one pass"), std::string::npos);
}

}  // namespace
}  // namespace lowbit

#include "grad/backward.h"

#include <gtest/gtest.h>

#include <cstring>
#include <numeric>

#include "grad/rule_bench.h"

namespace lowbit::grad {
namespace {

TEST(Rules, RmsNorm) {
  for (const int64_t width : {37, 16, 5}) {
    Bench t(width);
    t.check(t.b.rms_norm("norm", t.x, "norm", width, 1e-2f), width);
  }
}

TEST(Rules, Linear) {
  for (const int64_t count : {1, 21, 113}) {
    Bench t(40, count);
    t.check(t.b.linear("hidden", t.x, "w", 300, 40), 300);  // rows beyond one slab, columns of no multiple of 16
  }
}

TEST(Rules, LinearOfPartsInAnOrderOfTheirOwn) {
  Bench t(40);
  auto weight = std::make_shared<tensor::Weight>();
  weight->shape = {300, 40};
  weight->parts = {packed("f32", 140, 40, random_floats(140 * 40, 0.3, 1)),
                   packed("e4m3fn", 33, 40, random_floats(33 * 40, 0.3, 2)),
                   packed("bf16", 127, 40, random_floats(127 * 40, 0.3, 3))};
  t.weights["w"] = weight;
  auto reordered = std::make_shared<tensor::Weight>(*weight);
  for (int32_t i = 0; i < 300; ++i) reordered->row_order.push_back(i * 7 % 300);
  const graph::ValueId end = t.b.linear("hidden", t.x, "w", 300, 40);
  t.check(end, 300);
  t.weights["w"] = reordered;
  const std::vector<float> c = random_floats(21 * 11, 1.0, 3);
  const DoubleOracle oracle(t.graph, t.weights, t.tokens);
  const auto loss = [&](const Change& change) {
    const Doubles logits = oracle.logits(change);
    return std::inner_product(logits.begin(), logits.end(), c.begin(), 0.0);
  };
  const Gradients got = gradients_of(*make(t.graph, t.weights), t.tokens, weighted_logits(c));
  expect_differences(t.graph, got, loss, 2e-5);
  // The same values stored in natural order give the same bits.
  auto natural = std::make_shared<tensor::Weight>();
  natural->shape = {300, 40};
  natural->parts = {packed("f32", 300, 40, tensor::dequantize(*reordered))};
  t.weights["w"] = natural;
  EXPECT_EQ(got, gradients_of(*make(t.graph, t.weights), t.tokens, weighted_logits(c)));
}

TEST(Rules, Rope) {
  for (const bool halves : {false, true}) {
    Bench t(24);
    t.check(t.b.rope("rope", t.x, {3, 8, 100.0, 0.5, halves}), 24);
  }
}

TEST(Rules, Attention) {
  for (const auto [heads, kv_heads, dim, count] :
       {std::array{4, 2, 8, 21}, {3, 1, 20, 16}, {2, 2, 16, 1}, {6, 2, 4, 50}}) {
    Bench t(heads * dim, count);
    const graph::ValueId q = t.b.linear("q", t.x, "wq", heads * dim, heads * dim);
    const graph::ValueId k = t.b.linear("k", t.x, "wk", kv_heads * dim, heads * dim);
    const graph::ValueId v = t.b.linear("v", t.x, "wv", kv_heads * dim, heads * dim);
    // Large scores: a softmax far from uniform. With one token q and k have no gradient.
    const graph::Attention attention{0, heads, kv_heads, dim, 2.0f, {}};
    if (count > 1) {
      t.check(t.b.attention("attention", q, k, v, attention), heads * dim);
      continue;
    }
    t.finish(t.b.attention("attention", q, k, v, attention), heads * dim);
    const std::vector<float> c = random_floats(11, 1.0, 3);
    const Gradients got = gradients_of(*make(t.graph, t.weights), t.tokens, weighted_logits(c));
    for (const graph::ValueId id : {q, k}) {
      for (const float g : got.at(id)) EXPECT_EQ(g, 0.0f);
    }
    for (size_t i = 0; i < got.at(v).size(); ++i) EXPECT_EQ(got.at(v)[i], got.at(v + 1)[i]);
  }
}

TEST(Rules, SiluGate) {
  Bench t(24);
  t.weights["wa"] = random_weight({19, 24}, 8, 60.0);  // some gates far out, where the slope is 0 or 1
  const graph::ValueId a = t.b.linear("a", t.x, "wa", 19, 24);
  t.check(t.b.silu_gate("gated", a, t.b.linear("b", t.x, "wb", 19, 24)), 19);
}

TEST(Rules, SiluGateNearZero) {
  for (const double gain : {0.0, 1e-30, 1e-6, 2e-3}) {
    Bench t(24);
    t.weights["wa"] = random_weight({19, 24}, 8, gain);
    const graph::ValueId a = t.b.linear("a", t.x, "wa", 19, 24);
    const graph::ValueId b = t.b.linear("b", t.x, "wb", 19, 24);
    t.finish(t.b.silu_gate("gated", a, b), 19);
    const std::vector<float> c = random_floats(21 * 11, 1.0, 3);
    Gradients values, got;
    const auto keep = [](Gradients& to) {
      return [&to](graph::ValueId id, const graph::Value& value, const float* rows, int64_t count) {
        to[id].assign(rows, rows + count * value.width);
      };
    };
    ASSERT_TRUE(make(t.graph, t.weights)->run(t.tokens, weighted_logits(c), keep(values), keep(got)).ok());
    for (size_t i = 0; i < got.at(a).size(); ++i) {
      const double x = values.at(a)[i], sigma = 1.0 / (1.0 + std::exp(-x));
      const double expected = static_cast<double>(got.at(b + 1)[i]) * static_cast<double>(values.at(b)[i]) *
                              (sigma * (1.0 + x * (1.0 - sigma)));
      EXPECT_NEAR(got.at(a)[i], expected, 1e-6 * std::abs(expected) + 1e-30);
    }
  }
}

TEST(Rules, AddOfOneValueTwiceAndFanOut) {
  Bench t(24);
  const graph::ValueId twice = t.b.add("twice", t.x, t.x);
  const graph::ValueId more = t.b.linear("more", twice, "w", 24, 24);
  const graph::ValueId sum = t.b.add("sum", t.b.silu_gate("gated", more, twice), t.b.add("again", twice, more));
  t.check(sum, 24);
}

TEST(Rules, CastIsStraightThrough) {
  Bench t(32);
  graph::Node cast;
  cast.op = graph::Op::cast;
  cast.name = "rounded";
  cast.inputs = {t.x};
  const graph::ValueId rounded = t.graph.add(std::move(cast));
  t.graph.values.back().format = formats::parse_format("e4m3fn").value();
  const graph::ValueId y = t.b.linear("y", rounded, "w", 24, 32);
  t.finish(y, 24);
  const std::vector<float> c = random_floats(21 * 11, 1.0, 3);
  const Gradients got = gradients_of(*make(t.graph, t.weights), t.tokens, weighted_logits(c));
  EXPECT_EQ(got.at(rounded), got.at(t.x));
  // A gate of a cast needs a value that is not reported.
  t.graph.logits = t.b.linear("more", t.b.silu_gate("gated", rounded, t.x), "more", 11, 32);
  ASSERT_TRUE(graph::infer_shapes(t.graph).ok());
  t.weights["more"] = random_weight({11, 32}, 4);
  const auto refused = Backward::create(t.graph, t.weights, std::make_shared<ThreadPool>(1), active_isa());
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.message().find("gated"), std::string::npos) << refused.message();
  EXPECT_NE(refused.message().find("rounded"), std::string::npos) << refused.message();
}

TEST(Backward, WholeModelAgainstDifferences) {
  const models::Model model = tiny_llama();
  const exec::Weights weights = random_weights(model.graph, 20, 1.3);
  const std::vector<int32_t> tokens = random_tokens(19, 50, 6);
  const DoubleOracle oracle(model.graph, weights, tokens);
  const auto loss = [&](const Change& change) {
    const Doubles logits = oracle.logits(change);
    double sum = 0.0;
    for (size_t t = 0; t + 1 < tokens.size(); ++t) {
      sum -= log_softmax(std::span(logits).subspan(t * 50, 50))[static_cast<size_t>(tokens[t + 1])];
    }
    return sum;
  };
  expect_differences(model.graph, gradients_of(*make(model.graph, weights), tokens, cross_entropy()), loss, 5e-5);
}

TEST(Backward, ForwardIsThatOfTheReferencePolicy) {
  const models::Model model = tiny_llama();
  const exec::Weights weights = random_weights(model.graph, 20);
  const std::vector<int32_t> tokens = random_tokens(19, 50, 6);
  const graph::Graph reference =
      graph::insert_casts(model.graph, graph::NumericPolicy::reference(),
                          [&](const std::string& name) { return std::vector{weights.at(name)->parts[0].format()}; });
  auto executor = exec::Executor::create(reference, weights, std::make_shared<ThreadPool>(1), active_isa()).value();
  exec::Cache cache = executor->new_cache(19);
  std::vector<float> expected, got;
  std::vector<std::string> tapped, names;
  const exec::Segment segment{tokens, &cache, 19};
  ASSERT_TRUE(executor->forward({&segment, 1}, expected).ok());
  const Status status =
      make(model.graph, weights)
          ->run(
              tokens,
              [&](std::span<const float> logits, std::span<const int32_t>, int64_t, std::span<float>) {
                got.assign(logits.begin(), logits.end());
              },
              [&](graph::ValueId, const graph::Value& value, const float*, int64_t) { tapped.push_back(value.name); },
              {});
  ASSERT_TRUE(status.ok());
  for (const graph::Node& node : model.graph.nodes) names.push_back(node.name);
  EXPECT_EQ(got, expected);
  EXPECT_EQ(tapped, names);
}

TEST(Backward, SameBitsForThreadsIsasAndRuns) {
  const models::Model model = tiny_llama();
  const exec::Weights weights = random_weights(model.graph, 20);
  const std::vector<int32_t> tokens = random_tokens(61, 50, 6);
  const auto run = [&](int threads, Isa isa) {
    return gradients_of(*make(model.graph, weights, threads, isa), tokens, sampled_fisher(7, 3, isa));
  };
  const Gradients expected = run(1, Isa::portable);
  for (const Isa isa : offered_isas()) {
    for (const int threads : {1, 2, 3}) {
      const Gradients got = run(threads, isa);
      ASSERT_EQ(got.size(), expected.size());
      for (const auto& [id, values] : expected) {
        EXPECT_EQ(0, std::memcmp(got.at(id).data(), values.data(), values.size() * sizeof(float)))
            << model.graph.values[static_cast<size_t>(id)].name << ", " << isa_name(isa) << ", " << threads
            << " threads";
      }
    }
  }
  // One object for sequences of several lengths.
  const auto backward = make(model.graph, weights);
  const std::span<const int32_t> all(tokens);
  const Gradients brief = gradients_of(*backward, all.first(5), sampled_fisher(7, 3));
  EXPECT_EQ(expected, gradients_of(*backward, all, sampled_fisher(7, 3)));
  EXPECT_EQ(brief, gradients_of(*backward, all.first(5), sampled_fisher(7, 3)));
}

TEST(Backward, PartsThatTheLossDoesNotSeeAreNotReported) {
  Bench t(24);
  const graph::ValueId dead = t.b.rms_norm("dead", t.x, "norm", 24, 1e-5f);
  const graph::ValueId live = t.b.rms_norm("live", t.x, "norm", 24, 1e-5f);
  t.finish(live, 24);
  const std::vector<float> c = random_floats(21 * 11, 1.0, 3);
  const Gradients got = gradients_of(*make(t.graph, t.weights), t.tokens, weighted_logits(c));
  EXPECT_FALSE(got.contains(dead));
  EXPECT_TRUE(got.contains(live) && got.contains(t.x));
}

TEST(Backward, ErrorsAreSentences) {
  const models::Model model = tiny_llama();
  exec::Weights weights = random_weights(model.graph, 20);
  const auto backward = make(model.graph, weights);
  EXPECT_FALSE(backward->run({}, cross_entropy(), {}, {}).ok());
  const std::vector<int32_t> wrong = {1, 50};
  const Status status = backward->run(wrong, cross_entropy(), {}, {});
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.message().find("50"), std::string::npos) << status.message();
  weights.erase("blk.1.ffn_up.weight");
  const auto missing = Backward::create(model.graph, weights, std::make_shared<ThreadPool>(1), active_isa());
  ASSERT_FALSE(missing.ok());
  EXPECT_NE(missing.message().find("blk.1.ffn_up.weight"), std::string::npos) << missing.message();
}

}  // namespace
}  // namespace lowbit::grad

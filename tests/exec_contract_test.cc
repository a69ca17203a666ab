// exec and the interpreter give the same bits for every value, whatever the chunks, the batch, the threads, the ISA
// and the formats.
#include <gtest/gtest.h>

#include "models/blocks.h"
#include "tiny_llama.h"

namespace lowbit {
namespace {

using graph::NumericPolicy;
using test::first_difference;
using test::TinyLlama;
using test::TinyShape;
using test::Values;

constexpr int kThreads[] = {1, 2};

NumericPolicy policy_of(const char* integer, const char* other, const char* kv, graph::KvHadamard turned = {}) {
  NumericPolicy policy{test::format_of(integer), test::format_of(other), test::format_of(integer),
                       test::format_of(kv)};
  policy.kv_hadamard = turned;
  return policy;
}

// A mixture: integers, codebooks, floats, parts with an order of rows, super-blocks.
TinyLlama mixed_llama(const TinyShape& shape, Rng& rng) {
  static const std::vector<std::vector<const char*>> kLists = {{"int4/32:f16"},
                                                               {"q4_k"},
                                                               {"nf4/16:f32"},
                                                               {"int8/32:f16", "int3/32:f16"},
                                                               {"q6_k"},
                                                               {"e2m1/16:f16"},
                                                               {"bf16"},
                                                               {"uint4/10:f16+zp"},
                                                               {"ternary/row:f32"},
                                                               {"mxint8"},
                                                               {"int4/32:f16", "e4m3fn/32:f32"},
                                                               {"q4_1"},
                                                               {"f16"},
                                                               {"e3m2/32:e8m0"}};
  size_t next = 0;
  return test::tiny_llama(
      shape,
      [&](const std::string&) {
        std::vector<formats::Format> formats;
        for (const char* name : kLists[next++ % kLists.size()]) formats.push_back(test::format_of(name));
        return formats;
      },
      rng);
}

class Contract : public testing::Test {
 protected:
  // Everything about one model under one policy.
  void prepare(const TinyLlama& tiny, const NumericPolicy& policy) {
    weights_ = tiny.weights;
    graph_ = test::with_casts(tiny.model.graph, weights_, policy);
  }
  Values expected(std::span<const int32_t> tokens) const { return test::interpreted(graph_, weights_, tokens); }
  std::unique_ptr<exec::Executor> executor(Isa isa, int threads) const {
    return test::executor(graph_, weights_, isa, threads);
  }
  // Feeds tokens to a cache in chunks; taps get all rows.
  static void feed(exec::Executor& executor, exec::Cache& cache, std::span<const int32_t> tokens, size_t chunk,
                   Values& taps) {
    for (size_t begin = 0; begin < tokens.size(); begin += chunk) {
      const auto part = tokens.subspan(begin, std::min(chunk, tokens.size() - begin));
      const exec::Segment segment{part, &cache, static_cast<int64_t>(part.size())};
      test::run_tapped(executor, {&segment, 1}, taps);
    }
  }
  void check_whole_prompt(std::span<const int32_t> tokens, const std::string& what) {
    const Values values = expected(tokens);
    for (const Isa isa : offered_isas()) {
      for (const int threads : kThreads) {
        const auto runner = executor(isa, threads);
        exec::Cache cache = runner->new_cache(static_cast<int64_t>(tokens.size()));
        Values taps;
        feed(*runner, cache, tokens, tokens.size(), taps);
        test::expect_same_values(graph_, taps, values, what + ", " + std::string(isa_name(isa)));
        if (HasFatalFailure()) return;
      }
    }
  }

  void check_batches(const TinyShape& shape);

  tensor::Weights weights_;
  graph::Graph graph_;
};

TEST_F(Contract, EveryPolicy) {
  NumericPolicy in_integers = policy_of("int8/32:f32", "f32", "int4/32:f16", {true, true});
  in_integers.integer_attention = true;
  const std::pair<const char*, NumericPolicy> policies[] = {
      {"standard", NumericPolicy::standard()},
      {"reference", NumericPolicy::reference()},
      {"bf16 activations", policy_of("bf16", "bf16", "bf16")},
      {"f16 activations", policy_of("f16", "f16", "f16")},
      {"int8 rows", policy_of("int8/row:f32", "f32", "f32")},
      {"wide activations", policy_of("int14/32:f32", "int12/row:f32", "f16")},
      {"int8/64:f16", policy_of("int8/64:f16", "bf16", "f16")},
      {"int6", policy_of("int6/32:f32", "f32", "e4m3fn")},
      {"binary", policy_of("binary/32:f32", "int2/row:f32", "f16")},
      {"int8/10", policy_of("int8/10:f32", "f32", "int8/32")},
      {"integers everywhere", policy_of("int8/32:f32", "int8/32:f32", "f16")},
      {"small floats", policy_of("e4m3fn/32:e8m0", "e4m3fn/32:e8m0", "e5m2")},
      {"kv blocks", policy_of("int8/32:f32", "f32", "int8/32:f32")},
      {"kv 4 bits", policy_of("int8/32:f32", "f32", "int4/4:f16")},
      {"turned keys", policy_of("int8/32:f32", "f32", "int4/32:f16", {true, false})},
      {"turned values", policy_of("int8/32:f32", "bf16", "f16", {false, true})},
      {"turned keys and values", policy_of("int8/32:f32", "f32", "int4/4:f16", {true, true})},
      {"turned, attention in integers", in_integers},
  };
  uint64_t seed = 0;
  for (const auto& [name, policy] : policies) {
    for (const bool tied : {false, true}) {
      Rng rng(21, ++seed);
      TinyShape shape;
      shape.tied = tied;
      prepare(mixed_llama(shape, rng), policy);
      check_whole_prompt(test::random_tokens(19, shape.vocabulary, rng), name);
    }
  }
}

TEST_F(Contract, EveryShape) {
  const TinyShape shapes[] = {{1, 1, 1, 1, 1, 2, 1, true},
                              {2, 3, 1, 1, 1, 2, 5, false},
                              {20, 7, 3, 6, 3, 10, 17, true},
                              {33, 65, 1, 5, 1, 34, 16, false},
                              {64, 100, 2, 2, 2, 64, 50, false},
                              {31, 200, 1, 7, 7, 6, 65, true},
                              {24, 40, 2, 2, 1, 12, 20, false, 5, 2},
                              {33, 17, 1, 3, 3, 8, 30, true, 9, 4}};
  uint64_t seed = 0;
  for (const TinyShape& shape : shapes) {
    for (const auto& policy : {NumericPolicy::standard(), NumericPolicy::reference(),
                               policy_of("int8/32:f32", "f32", "int4/32:f16", {true, true})}) {
      Rng rng(22, ++seed);
      prepare(mixed_llama(shape, rng), policy);
      check_whole_prompt(test::random_tokens(18, shape.vocabulary, rng), fmt::format("width {}", shape.width));
    }
  }
}

TEST_F(Contract, ChunksOfEverySize) {
  Rng rng(23);
  const TinyShape shape, with_experts{32, 24, 2, 2, 1, 16, 37, false, 6, 3};
  const std::pair<TinyShape, NumericPolicy> kinds[] = {
      {shape, NumericPolicy::standard()},
      {shape, policy_of("bf16", "f32", "int8/32")},
      {shape, policy_of("int8/32:f32", "f32", "int4/32:f16", {true, true})},
      {with_experts, NumericPolicy::standard()}};
  for (const auto& [kind, policy] : kinds) {
    prepare(mixed_llama(kind, rng), policy);
    const auto tokens = test::random_tokens(37, shape.vocabulary, rng);
    const Values values = expected(tokens);
    for (size_t chunk = 1; chunk <= tokens.size(); ++chunk) {
      for (const Isa isa : offered_isas()) {
        const auto runner = executor(isa, chunk % 2 == 0 ? 1 : 2);
        exec::Cache cache = runner->new_cache(37);
        Values taps;
        feed(*runner, cache, tokens, chunk, taps);
        test::expect_same_values(graph_, taps, values, fmt::format("chunks of {}, {}", chunk, isa_name(isa)));
        if (HasFatalFailure()) return;
      }
    }
  }
}

// Beyond the tiles of attention (16 queries, 256 positions) in one chunk, in odd chunks, and token by token.
TEST_F(Contract, ALongSequence) {
  Rng rng(24);
  const TinyShape shape{24, 16, 1, 2, 1, 12, 29, true};
  for (const char* kv : {"f16", "f32", "e4m3fn"}) {
    prepare(test::tiny_llama(shape, "int4/32:f16", rng), policy_of("int8/32:f32", "f32", kv));
    const auto tokens = test::random_tokens(290, shape.vocabulary, rng);
    const Values values = expected(tokens);
    for (const size_t chunk : {size_t{290}, size_t{257}, size_t{33}, size_t{1}}) {
      for (const Isa isa : offered_isas()) {
        const auto runner = executor(isa, 2);
        exec::Cache cache = runner->new_cache(290);
        Values taps;
        feed(*runner, cache, tokens, chunk, taps);
        test::expect_same_values(graph_, taps, values, fmt::format("kv {}, chunks of {}", kv, chunk));
        if (HasFatalFailure()) return;
      }
    }
  }
}

// Rows of the taps of a batch, taken apart into sequences.
void split_taps(const graph::Graph& graph, const Values& taps, std::span<const exec::Segment> segments,
                std::span<const size_t> owner, std::vector<Values>& sequences) {
  for (size_t v = 0; v < taps.size(); ++v) {
    const auto width = static_cast<size_t>(graph.values[v].width);
    size_t at = 0;
    for (size_t i = 0; i < segments.size(); ++i) {
      auto& out = sequences[owner[i]];
      out.resize(taps.size());
      const size_t count = taps[v].empty() ? 0 : segments[i].tokens.size() * width;
      out[v].insert(out[v].end(), taps[v].begin() + static_cast<std::ptrdiff_t>(at),
                    taps[v].begin() + static_cast<std::ptrdiff_t>(at + count));
      at += count;
    }
  }
}

// Four sequences of different lengths grow together by random numbers of tokens, in random order, sometimes none.
void Contract::check_batches(const TinyShape& shape) {
  Rng rng(25);
  prepare(mixed_llama(shape, rng), NumericPolicy::standard());
  std::vector<std::vector<int32_t>> tokens;
  std::vector<Values> values;
  for (const int64_t count : {3, 31, 18, 40}) {
    tokens.push_back(test::random_tokens(count, shape.vocabulary, rng));
    values.push_back(expected(tokens.back()));
  }
  for (const Isa isa : offered_isas()) {
    for (int round = 0; round < 6; ++round) {
      const auto runner = executor(isa, 1 + round % 2);
      std::vector<exec::Cache> caches;
      for (size_t i = 0; i < tokens.size(); ++i) caches.push_back(runner->new_cache(40));
      std::vector<Values> got(tokens.size());
      for (bool more = true; more;) {
        std::vector<exec::Segment> segments;
        std::vector<size_t> owner;
        const size_t first = rng.below(tokens.size());
        more = false;
        for (size_t i = 0; i < tokens.size(); ++i) {
          const size_t s = (first + i) % tokens.size();
          const auto left = std::span(tokens[s]).subspan(static_cast<size_t>(caches[s].length()));
          more = more || !left.empty();
          const auto part = left.first(std::min<size_t>(left.size(), rng.below(20)));
          segments.push_back({part, &caches[s], static_cast<int64_t>(part.size())});
          owner.push_back(s);
        }
        Values taps;
        test::run_tapped(*runner, segments, taps);
        split_taps(graph_, taps, segments, owner, got);
      }
      for (size_t i = 0; i < tokens.size(); ++i) {
        test::expect_same_values(graph_, got[i], values[i], fmt::format("sequence {}, round {}", i, round));
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST_F(Contract, BatchesInAnyOrder) { check_batches({}); }
TEST_F(Contract, BatchesInAnyOrderOfExperts) { check_batches({32, 24, 2, 2, 1, 16, 37, false, 6, 3}); }

// What a truncated cache held before does not shine through.
TEST_F(Contract, TruncateAndFeedAgain) {
  Rng rng(26);
  const TinyShape shape;
  for (const char* kv : {"f16", "f32", "int8/32"}) {
    prepare(mixed_llama(shape, rng), policy_of("int8/32:f32", "f32", kv));
    const auto first = test::random_tokens(40, shape.vocabulary, rng);
    for (const size_t kept : {size_t{0}, size_t{1}, size_t{15}, size_t{16}, size_t{17}, size_t{39}, size_t{40}}) {
      std::vector<int32_t> tokens(first.begin(), first.begin() + static_cast<std::ptrdiff_t>(kept));
      const auto second = test::random_tokens(7, shape.vocabulary, rng);
      tokens.insert(tokens.end(), second.begin(), second.end());
      const Values values = expected(tokens);
      const auto runner = executor(active_isa(), 2);
      exec::Cache cache = runner->new_cache(64);
      Values before, after;
      feed(*runner, cache, first, 40, before);
      cache.truncate(static_cast<int64_t>(kept));
      EXPECT_EQ(cache.length(), static_cast<int64_t>(kept));
      feed(*runner, cache, second, 3, after);
      const auto logits = static_cast<size_t>(graph_.logits);
      EXPECT_EQ(first_difference(after[logits], std::span(values[logits]).last(after[logits].size())), -1) << kept;
    }
  }
}

// Logits for some tokens only: what is left out changes nothing in the rest.
TEST_F(Contract, SomeLogitsOnly) {
  Rng rng(27);
  const TinyShape shape;
  for (const auto& policy : {NumericPolicy::standard(), policy_of("int8/32:f32", "f32", "int8/32", {true, true})}) {
    prepare(mixed_llama(shape, rng), policy);
    const auto tokens = test::random_tokens(23, shape.vocabulary, rng);
    const Values values = expected(tokens);
    const auto& all = values[static_cast<size_t>(graph_.logits)];
    const auto width = static_cast<size_t>(shape.vocabulary);
    const auto runner = executor(active_isa(), 2);
    for (const int64_t wanted : {0, 1, 2, 5, 22, 23, 100}) {
      exec::Cache a = runner->new_cache(23), b = runner->new_cache(23);
      const exec::Segment segments[] = {{tokens, &a, wanted}, {std::span(tokens).first(9), &b, 1}};
      std::vector<float> logits = {1.0f};
      ASSERT_TRUE(runner->forward(segments, logits).ok());
      const size_t count = static_cast<size_t>(std::min<int64_t>(wanted, 23));
      ASSERT_EQ(logits.size(), (count + 1) * width);
      EXPECT_EQ(first_difference(std::span(logits).first(count * width), std::span(all).last(count * width)), -1);
      EXPECT_EQ(first_difference(std::span(logits).last(width), std::span(all).subspan(8 * width, width)), -1)
          << wanted;
      EXPECT_EQ(a.length(), 23);
    }
  }
}

TEST_F(Contract, ErrorsLeaveTheCachesAlone) {
  Rng rng(28);
  const TinyShape shape;
  prepare(test::tiny_llama(shape, "q8_0", rng), NumericPolicy::standard());
  const auto runner = executor(active_isa(), 1);
  exec::Cache a = runner->new_cache(4), b = runner->new_cache(8);
  const std::vector<int32_t> tokens = {1, 2, 3}, wrong = {1, 37}, negative = {-1};
  std::vector<float> logits;
  const exec::Segment both[] = {{tokens, &b, 1}, {tokens, &a, 1}};
  ASSERT_TRUE(runner->forward(both, logits).ok());
  const Status full = runner->forward(both, logits);
  ASSERT_FALSE(full.ok());
  EXPECT_NE(full.error().message.find("3 of 4"), std::string::npos) << full.error().message;
  for (const auto& ids : {wrong, negative}) {
    const exec::Segment segment{ids, &b, 1};
    const Status status = runner->forward({&segment, 1}, logits);
    ASSERT_FALSE(status.ok());
    EXPECT_NE(status.error().message.find("vocabulary of 37"), std::string::npos) << status.error().message;
  }
  EXPECT_EQ(a.length(), 3);
  EXPECT_EQ(b.length(), 3);
  const exec::Segment one{{tokens.data(), 1}, &a, 1};
  EXPECT_TRUE(runner->forward({&one, 1}, logits).ok());
  EXPECT_EQ(
      first_difference(
          logits, std::span(expected(std::vector<int32_t>{1, 2, 3, 1})[static_cast<size_t>(graph_.logits)]).last(37)),
      -1);
}

// ---- graphs that are no llama ----

// Attention and feed-forward side by side: a cast is used on both sides of the last attention.
TEST_F(Contract, ACastThatOutlivesTheLastAttention) {
  Rng rng(29);
  models::Model model;
  models::Builder b(model.graph);
  const graph::ValueId x = b.embed("e", 20, 32);
  const graph::ValueId normed = b.rms_norm("n", x, "n", 32, 1e-5f);
  const graph::ValueId q = b.linear("q", normed, "q", 32, 32);
  const graph::ValueId k = b.linear("k", normed, "k", 16, 32), v = b.linear("v", normed, "v", 16, 32);
  const graph::Attention attention{0, 4, 2, 8, 0.35f, {}};
  const graph::ValueId mixed = b.attention("a", q, k, v, attention);
  const graph::ValueId up = b.linear("up", normed, "up", 32, 32);
  model.graph.logits = b.linear("out", b.add("sum", mixed, up), "e", 20, 32);
  ASSERT_TRUE(graph::infer_shapes(model.graph).ok());
  for (const char* format : {"int8/32:f16", "nf4/32:f32"}) {
    tensor::Weights weights;
    for (const graph::Parameter& p : model.graph.parameters) {
      weights[p.name] = test::tiny_weight(
          {p.name, p.shape}, [&](const std::string&) { return std::vector{test::format_of(format)}; }, rng);
    }
    TinyLlama tiny{{}, model, weights};
    prepare(tiny, policy_of("int8/32:f32", "int8/32:f32", "f16"));
    const auto tokens = test::random_tokens(11, 20, rng);
    check_whole_prompt(tokens, format);
    const auto runner = executor(active_isa(), 1);
    exec::Cache cache = runner->new_cache(11);
    const exec::Segment segment{tokens, &cache, 2};
    std::vector<float> logits;
    ASSERT_TRUE(runner->forward({&segment, 1}, logits).ok());
    const Values values = expected(tokens);
    EXPECT_EQ(first_difference(logits, std::span(values[static_cast<size_t>(graph_.logits)]).last(40)), -1) << format;
  }
}

// Without attention every token stands alone; logits of some of them are those of the right ones.
TEST_F(Contract, AGraphWithoutAttention) {
  Rng rng(30);
  models::Model model;
  models::Builder b(model.graph);
  model.graph.logits = b.linear("out", b.embed("e", 20, 16), "o", 20, 16);
  ASSERT_TRUE(graph::infer_shapes(model.graph).ok());
  tensor::Weights weights;
  for (const graph::Parameter& p : model.graph.parameters) {
    weights[p.name] = test::tiny_weight(
        {p.name, p.shape}, [&](const std::string&) { return std::vector{test::format_of("int8/32:f16")}; }, rng);
  }
  TinyLlama tiny{{}, model, weights};
  prepare(tiny, NumericPolicy::standard());
  const auto tokens = test::random_tokens(9, 20, rng);
  check_whole_prompt(tokens, "all logits");
  const auto runner = executor(active_isa(), 1);
  exec::Cache cache = runner->new_cache(9);
  const exec::Segment segment{tokens, &cache, 3};
  std::vector<float> logits;
  ASSERT_TRUE(runner->forward({&segment, 1}, logits).ok());
  const Values values = expected(tokens);
  EXPECT_EQ(first_difference(logits, std::span(values[static_cast<size_t>(graph_.logits)]).last(60)), -1);
}

}  // namespace
}  // namespace lowbit

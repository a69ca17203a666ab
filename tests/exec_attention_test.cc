// Attention over caches of every format, in chunks, after truncation and cut for the threads: exec gives the bits of
// the interpreter.
#include <fmt/format.h>

#include <cmath>

#include "models/blocks.h"
#include "tiny_llama.h"

namespace lowbit {
namespace {

using graph::ValueId;
using test::Values;

constexpr int64_t kVocabulary = 997;  // more than the tokens, so that few keys come twice

// Attention alone: queries, keys and values come out of one table.
struct AttentionCase {
  graph::Graph graph;
  tensor::Weights weights;

  explicit AttentionCase(const graph::Attention& a) {
    models::Builder b(graph);
    const int64_t q = int64_t{a.heads} * a.dim, kv = int64_t{a.kv_heads} * a.dim;
    const ValueId x = b.embed("e", kVocabulary, q + 2 * kv);
    graph.logits = b.attention("a", b.slice("q", x, 0, q), b.slice("k", x, q, kv), b.slice("v", x, q + kv, kv), a);
    EXPECT_TRUE(graph::infer_shapes(graph).ok());
    Rng rng(5, static_cast<uint64_t>(a.dim));
    weights["e"] = test::tiny_weight(
        {"e", {kVocabulary, q + 2 * kv}}, [](const std::string&) { return std::vector{test::format_of("f32")}; },
        rng);
  }

  // The outputs for all tokens.
  std::vector<float> expected(std::span<const int32_t> tokens) const {
    return test::interpreted(graph, weights, tokens)[static_cast<size_t>(graph.logits)];
  }
};

graph::Attention attention(int32_t heads, int32_t kv_heads, int32_t dim, const char* kv, int32_t window = 0) {
  return {0,      heads, kv_heads, dim,  2.0f / std::sqrt(static_cast<float>(dim)), test::format_of(kv),
          window, 0.0f,  true,     false};
}

// The same in fp32, and in integers where the cache takes them.
std::vector<graph::Attention> arithmetics(const graph::Attention& a) {
  std::vector<graph::Attention> out = {a};
  if (graph::takes_integers(a.kv, a.dim)) {
    out.push_back(a);
    out.back().integer = true;
  }
  return out;
}

// Outputs of the tokens behind what the cache holds, in chunks.
std::vector<float> feed(exec::Executor& runner, exec::Cache& cache, std::span<const int32_t> tokens, size_t chunk) {
  std::vector<float> out, part;
  for (size_t begin = 0; begin < tokens.size(); begin += chunk) {
    const auto some = tokens.subspan(begin, std::min(chunk, tokens.size() - begin));
    const exec::Segment segment{some, &cache, static_cast<int64_t>(some.size())};
    EXPECT_TRUE(runner.forward({&segment, 1}, part).ok());
    out.insert(out.end(), part.begin(), part.end());
  }
  return out;
}

constexpr const char* kFormats[] = {"f32",
                                    "f16",
                                    "bf16",
                                    "e4m3fn",
                                    "e5m2",
                                    "int8",
                                    "int8/32:f16",
                                    "int8/64:f32",
                                    "int8/row:f16",
                                    "int8/10:bf16",
                                    "int8sym/32:f16",
                                    "int6/16:f16",
                                    "int4/32:f16",
                                    "int4/4:f16",
                                    "int3/16:bf16",
                                    "int2/8:e8m0",
                                    "e2m1/32:e8m0",
                                    "nf4/16:f16",
                                    "e4m3fn/16:e4m3fn",
                                    "int12/32:f32",
                                    "fix8.4"};

// Outputs in chunks, where others stood in the cache before.
void expect_rewritten(const AttentionCase& c, int64_t width, std::span<const int32_t> tokens,
                      std::span<const int32_t> others, const std::string& what) {
  const std::vector<float> expected = c.expected(tokens);
  for (const Isa isa : offered_isas()) {
    for (const size_t chunk : {size_t{90}, size_t{33}, size_t{1}}) {
      const auto runner = test::executor(c.graph, c.weights, isa, 2);
      exec::Cache cache = runner->new_cache(100);
      std::vector<float> got = feed(*runner, cache, tokens.first(21), 21);
      feed(*runner, cache, others, 50);
      cache.truncate(21);
      const std::vector<float> rest = feed(*runner, cache, tokens.subspan(21), chunk);
      got.insert(got.end(), rest.begin(), rest.end());
      const int64_t at = test::first_difference(got, expected);
      ASSERT_EQ(at, -1) << what << ", " << isa_name(isa) << ", chunks of " << chunk << ", token " << at / width
                        << ", column " << at % width;
    }
  }
}

TEST(ExecAttention, EveryFormatOfTheCacheAlsoWhereItIsWrittenAgain) {
  Rng rng(71);
  int integers = 0;
  for (const char* kv : kFormats) {
    for (const auto [heads, kv_heads, dim] : {std::array{6, 2, 20}, {2, 2, 64}, {8, 1, 32}, {7, 1, 80}}) {
      const auto tokens = test::random_tokens(90, kVocabulary, rng),
                 others = test::random_tokens(50, kVocabulary, rng);
      for (const graph::Attention& a : arithmetics(attention(heads, kv_heads, dim, kv))) {
        const std::string what = fmt::format("{}, dim {}, integer {}", kv, dim, a.integer);
        expect_rewritten(AttentionCase(a), int64_t{heads} * dim, tokens, others, what);
        integers += a.integer ? 1 : 0;
      }
    }
  }
  EXPECT_GE(integers, 24);
}

// One pass over 551 tokens, then few at a time.
void expect_cut(const AttentionCase& c, int64_t width, std::span<const int32_t> tokens, const std::string& what) {
  const std::vector<float> expected = c.expected(tokens);
  for (const Isa isa : offered_isas()) {
    const auto runner = test::executor(c.graph, c.weights, isa, 2);
    exec::Cache cache = runner->new_cache(580);
    std::vector<float> got = feed(*runner, cache, tokens.first(551), 551);
    for (const size_t count : {size_t{1}, size_t{1}, size_t{2}, size_t{5}, size_t{20}}) {
      const auto part = tokens.subspan(static_cast<size_t>(cache.length()), count);
      const std::vector<float> more = feed(*runner, cache, part, count);
      got.insert(got.end(), more.begin(), more.end());
    }
    const int64_t at = test::first_difference(got, expected);
    ASSERT_EQ(at, -1) << what << ", " << isa_name(isa) << ", token " << at / width;
  }
}

// Few kv heads, two threads and long contexts: a task is cut into pieces.
TEST(ExecAttention, LongContextsAreCutForTheThreads) {
  Rng rng(72);
  for (const char* kv : {"f32", "int8/32:f16", "int4/16:f16"}) {
    for (const auto [heads, kv_heads, dim, window] : {std::array{8, 1, 64, 0}, {9, 3, 60, 0}, {3, 3, 160, 530}}) {
      const auto tokens = test::random_tokens(580, kVocabulary, rng);
      for (const graph::Attention& a : arithmetics(attention(heads, kv_heads, dim, kv, window))) {
        const std::string what = fmt::format("{}, heads {}, integer {}", kv, heads, a.integer);
        expect_cut(AttentionCase(a), int64_t{heads} * dim, tokens, what);
      }
    }
  }
}

// Two kv heads of 64 columns, 160 positions: codes, scales and what alignment takes.
TEST(ExecAttention, ACacheHasItsTrueSize) {
  const std::pair<const char*, double> kBits[] = {{"f32", 32},          {"bf16", 16},         {"int8", 8},
                                                  {"int8/32:f16", 8.5}, {"int8/64:f32", 8.5}, {"int4/32:f16", 4.5},
                                                  {"e4m3fn", 8},        {"e2m1/32:e8m0", 4.5}};
  for (const auto& [kv, bits] : kBits) {
    const AttentionCase c(attention(2, 2, 64, kv));
    const exec::Cache cache = test::executor(c.graph, c.weights, active_isa(), 1)->new_cache(150);
    const double needed = 2 * 2 * 64 * 160 * bits / 8;
    EXPECT_GE(static_cast<double>(cache.bytes()), needed) << kv;
    EXPECT_LE(static_cast<double>(cache.bytes()), needed + 128) << kv;
  }
}

}  // namespace
}  // namespace lowbit

// What a Hadamard matrix is for: where some channels of keys or values are far from the others, a cache of few bits
// that keeps them turned loses less.
#include "models/blocks.h"
#include "tiny_llama.h"

namespace lowbit {
namespace {

using graph::KvHadamard;
using graph::NumericPolicy;

constexpr int64_t kTokens = 40, kVocabulary = 64;

std::shared_ptr<const tensor::Weight> plain_weight(const std::vector<int64_t>& shape, std::vector<float> values) {
  auto weight = std::make_shared<tensor::Weight>();
  weight->shape = shape;
  weight->parts.push_back(tensor::pack_plain(test::format_of("f32"), weight->rows(), weight->cols(), values).value());
  return weight;
}

// Attention alone over two heads of keys and values of `dim`, each with two great channels where asked for.
struct Example {
  graph::Graph graph;
  tensor::Weights weights;
  std::vector<int32_t> tokens;

  Example(int32_t dim, bool great_keys, bool great_values, Rng& rng) {
    models::Builder b(graph);
    const graph::ValueId x = b.embed("e", kVocabulary, 32);
    const graph::ValueId q = b.linear("q", x, "q", 4 * dim, 32), k = b.linear("k", x, "k", 2 * dim, 32);
    const graph::ValueId v = b.linear("v", x, "v", 2 * dim, 32);
    graph.logits = b.attention("a", q, k, v, {0, 4, 2, dim, 0.003f, {}});
    EXPECT_TRUE(graph::infer_shapes(graph).ok());
    for (const graph::Parameter& p : graph.parameters) {
      std::vector<float> values = kernels::test::normals(p.rows() * p.cols(), rng);
      const bool great = (p.name == "k" && great_keys) || (p.name == "v" && great_values);
      for (int64_t r = 0; great && r < p.rows(); ++r) {
        if (r % dim != 3 && r % dim != dim - 5) continue;
        for (int64_t c = 0; c < p.cols(); ++c) values[static_cast<size_t>(r * p.cols() + c)] *= 20.0f;
      }
      weights[p.name] = plain_weight(p.shape, values);
    }
    tokens = test::random_tokens(kTokens, kVocabulary, rng);
  }

  std::vector<float> run(const char* kv, KvHadamard sides) const {
    NumericPolicy policy = NumericPolicy::reference();
    policy.kv = test::format_of(kv);
    policy.kv_hadamard = sides;
    const auto runner = test::executor(test::with_casts(graph, weights, policy), weights, active_isa(), 1);
    exec::Cache cache = runner->new_cache(kTokens);
    const exec::Segment segment{tokens, &cache, kTokens};
    std::vector<float> out;
    EXPECT_TRUE(runner->forward({&segment, 1}, out).ok());
    return out;
  }

  // Root mean square distance of a cache's outputs from those of an f32 cache.
  double error(const char* kv, KvHadamard sides) const {
    const std::vector<float> exact = run("f32", {}), got = run(kv, sides);
    double squares = 0.0;
    for (size_t i = 0; i < got.size(); ++i) squares += std::pow(static_cast<double>(got[i] - exact[i]), 2.0);
    return std::sqrt(squares / static_cast<double>(got.size()));
  }
};

// 96 is three blocks of 32.
TEST(TurnedCache, LosesLessWhereSomeChannelsAreGreat) {
  Rng rng(71);
  for (const int32_t dim : {32, 64, 96, 128}) {
    for (const char* kv : {"int4/32:f16", "int5/32:f16"}) {
      const Example keys(dim, true, false, rng), values(dim, false, true, rng);
      EXPECT_LT(keys.error(kv, {true, false}), 0.75 * keys.error(kv, {})) << kv << ", heads of " << dim;
      EXPECT_LT(values.error(kv, {false, true}), 0.75 * values.error(kv, {})) << kv << ", heads of " << dim;
    }
  }
}

// Normal values stay normal when they are turned.
TEST(TurnedCache, LosesAsMuchWhereAllChannelsAreAlike) {
  Rng rng(72);
  for (const int32_t dim : {32, 96, 128}) {
    const Example plain(dim, false, false, rng);
    const double ratio = plain.error("int4/32:f16", {true, true}) / plain.error("int4/32:f16", {});
    EXPECT_GT(ratio, 0.85) << dim;
    EXPECT_LT(ratio, 1.15) << dim;
  }
}

}  // namespace
}  // namespace lowbit

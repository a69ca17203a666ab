#include "grad/loss.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/rng.h"
#include "grad/backward.h"
#include "grad/double_oracle.h"
#include "grad/tiny_model.h"

namespace lowbit::grad {
namespace {

TEST(Loss, CrossEntropyIsTheSoftmaxLessTheNextToken) {
  const std::vector<float> logits = random_floats(4 * 19, 3.0, 1);
  const std::vector<int32_t> tokens = {3, 18, 0, 5};
  std::vector<float> got(logits.size(), 0.0f);
  cross_entropy()(logits, tokens, 19, got);
  for (size_t t = 0; t < 4; ++t) {
    const Doubles row(logits.begin() + static_cast<int64_t>(t) * 19,
                      logits.begin() + static_cast<int64_t>(t + 1) * 19);
    const Doubles log_p = log_softmax(row);
    for (size_t i = 0; i < 19; ++i) {
      const double hit = t < 3 && static_cast<int32_t>(i) == tokens[t + 1] ? 1.0 : 0.0;
      EXPECT_NEAR(got[t * 19 + i], t < 3 ? std::exp(log_p[i]) - hit : 0.0, 1e-6);
    }
  }
}

// The draw at position 1 of two has the probabilities of the softmax, and each seed and stream draws anew.
TEST(Loss, SampledOutcomesFollowTheSoftmax) {
  const std::vector<float> logits = random_floats(2 * 19, 1.5, 2);
  const std::vector<int32_t> tokens = {0, 0};
  const Doubles log_p = log_softmax(Doubles(logits.begin() + 19, logits.end()));
  std::vector<float> got(logits.size());
  std::vector<double> count(19, 0.0);
  constexpr int kDraws = 20000;
  for (int draw = 0; draw < kDraws; ++draw) {
    sampled_fisher(static_cast<uint64_t>(draw / 100), static_cast<uint64_t>(draw % 100))(logits, tokens, 19, got);
    int hits = 0;
    for (size_t i = 0; i < 19; ++i) {
      const double residue = std::exp(log_p[i]) - static_cast<double>(got[19 + i]);
      if (residue < 0.5) continue;
      ++hits;
      count[i] += 1.0;
    }
    ASSERT_EQ(hits, 1);
  }
  double chi2 = 0.0;
  for (size_t i = 0; i < 19; ++i) {
    const double expected = std::exp(log_p[i]) * kDraws;
    chi2 += (count[i] - expected) * (count[i] - expected) / expected;
  }
  EXPECT_LT(chi2, 42.3);  // 18 degrees of freedom: above by chance once in 1000
  EXPECT_GT(chi2, 4.9);   // below by chance once in 1000
}

// Over draws, half the mean square of the change that the gradient predicts is what the vector of the text turns:
// tokens times 1 - cosine, here computed in double from the changed hidden states.
TEST(Loss, SampledDirectionsPriceTheTurnOfTheVector) {
  constexpr size_t kWidth = 24, kTokens = 5;
  const std::vector<float> hidden = random_floats(kTokens * kWidth, 1.0, 5);
  const std::vector<float> change = random_floats(kTokens * kWidth, 1e-3, 6);
  const std::vector<int32_t> tokens(kTokens, 0);
  std::vector<float> changed(hidden);
  for (size_t i = 0; i < changed.size(); ++i) changed[i] += change[i];
  for (const models::Pooling pooling : {models::Pooling::mean, models::Pooling::first, models::Pooling::last}) {
    const auto vector = [&](const std::vector<float>& rows) {
      Doubles sum(kWidth, 0.0);
      const size_t begin = pooling == models::Pooling::last ? kTokens - 1 : 0;
      const size_t end = pooling == models::Pooling::mean ? kTokens : begin + 1;
      for (size_t t = begin; t < end; ++t) {
        for (size_t i = 0; i < kWidth; ++i) sum[i] += static_cast<double>(rows[t * kWidth + i]);
      }
      double length = 0.0;
      for (const double v : sum) length += v * v;
      for (double& v : sum) v /= std::sqrt(length);
      return sum;
    };
    const Doubles before = vector(hidden), after = vector(changed);
    double squares = 0.0;
    for (size_t i = 0; i < kWidth; ++i) squares += (after[i] - before[i]) * (after[i] - before[i]);
    double mean = 0.0;
    constexpr int kDraws = 20000;
    for (int draw = 0; draw < kDraws; ++draw) {
      std::vector<float> gradient(hidden.size(), 0.0f);
      sampled_direction(pooling, static_cast<uint64_t>(draw / 100), static_cast<uint64_t>(draw % 100))(
          hidden, tokens, kWidth, gradient);
      double predicted = 0.0;
      for (size_t i = 0; i < gradient.size(); ++i) {
        predicted += static_cast<double>(gradient[i]) * static_cast<double>(change[i]);
      }
      mean += predicted * predicted / kDraws;
    }
    EXPECT_NEAR(mean / (kTokens * squares), 1.0, 0.05) << static_cast<int>(pooling);
  }
}

TEST(Loss, SameBitsOnEveryIsa) {
  const std::vector<float> logits = random_floats(3 * 1003, 4.0, 3);
  const std::vector<int32_t> tokens = {1, 1002, 7};
  for (const bool sampled : {false, true}) {
    const auto run = [&](Isa isa) {
      std::vector<float> got(logits.size(), 0.0f);
      (sampled ? sampled_fisher(5, 6, isa) : cross_entropy(isa))(logits, tokens, 1003, got);
      return got;
    };
    for (const Isa isa : offered_isas()) EXPECT_EQ(run(Isa::portable), run(isa)) << isa_name(isa);
  }
}

// Sum over positions of KL(p || p with the weight changed), in double.
double divergence(const Doubles& before, const Doubles& after, size_t vocabulary) {
  double sum = 0.0;
  for (size_t t = 0; t < before.size(); t += vocabulary) {
    const Doubles p = log_softmax(std::span(before).subspan(t, vocabulary));
    const Doubles q = log_softmax(std::span(after).subspan(t, vocabulary));
    for (size_t i = 0; i < vocabulary; ++i) sum += std::exp(p[i]) * (p[i] - q[i]);
  }
  return sum;
}

// KL of a small change of one matrix is half of the mean of (sum over positions of g . dy)^2, g drawn by
// sampled_fisher, dy = dW x. With 4000 seeds the mean has a standard error of about sqrt(2 / 4000) = 2.2 %.
TEST(Loss, SampledFisherGivesTheDivergenceOfASmallChange) {
  const models::Model model = tiny_llama();
  const exec::Weights weights = random_weights(model.graph, 20, 1.3);
  const std::vector<int32_t> tokens = random_tokens(9, 50, 6);
  DoubleOracle oracle(model.graph, weights, tokens);
  const Doubles before = oracle.logits();
  const std::vector<Doubles> values = oracle.run();
  auto backward = Backward::create(model.graph, weights, std::make_shared<ThreadPool>(1), active_isa()).value();
  std::map<graph::ValueId, Doubles> dy;
  std::map<graph::ValueId, double> kl, mean;
  Rng rng(11);
  for (const graph::Node& node : model.graph.nodes) {
    if (node.op != graph::Op::linear || node.output == model.graph.logits) continue;  // the head's weight is tied
    Doubles& w = oracle.weight(node.weights[0]);
    const Doubles kept = w;
    const size_t rows = oracle.width(node.output), cols = oracle.width(node.inputs[0]);
    const Doubles& x = values[static_cast<size_t>(node.inputs[0])];
    Doubles& change = dy[node.output];
    change.assign(tokens.size() * rows, 0.0);
    for (size_t i = 0; i < w.size(); ++i) {
      const double noise = 1e-3 * rng.normal();
      w[i] += noise;
      for (size_t t = 0; t < tokens.size(); ++t) change[t * rows + i / cols] += noise * x[t * cols + i % cols];
    }
    kl[node.output] = divergence(before, oracle.logits(), 50);
    w = kept;
  }
  ASSERT_EQ(kl.size(), 14u);
  constexpr int kSeeds = 4000;
  for (int seed = 0; seed < kSeeds; ++seed) {
    ASSERT_TRUE(backward
                    ->run(tokens, sampled_fisher(1, static_cast<uint64_t>(seed)), {},
                          [&](graph::ValueId id, const graph::Value&, const float* g, int64_t) {
                            if (!dy.contains(id)) return;
                            double along = 0.0;
                            for (size_t i = 0; i < dy[id].size(); ++i) along += static_cast<double>(g[i]) * dy[id][i];
                            mean[id] += along * along / kSeeds;
                          })
                    .ok());
  }
  for (const auto& [id, divergence] : kl) {
    EXPECT_GT(divergence, 0.0);
    EXPECT_NEAR(0.5 * mean[id] / divergence, 1.0, 0.09) << model.graph.values[static_cast<size_t>(id)].name;
  }
}

}  // namespace
}  // namespace lowbit::grad

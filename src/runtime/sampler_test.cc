#include "runtime/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "arith/functions.h"

namespace lowbit::runtime {
namespace {

std::vector<float> random_logits(size_t count, Rng& rng) {
  std::vector<float> logits(count);
  for (float& v : logits) v = static_cast<float>(rng.normal() * 3.0);
  return logits;
}

std::vector<float> logits_of(const std::vector<double>& probabilities) {
  std::vector<float> logits;
  for (const double p : probabilities) logits.push_back(static_cast<float>(std::log(p) + 1.5));
  return logits;
}

// How often each id comes in many draws, as a share.
std::map<int32_t, double> shares(SamplingOptions options, const std::vector<float>& logits,
                                 const std::vector<int32_t>& history = {}) {
  constexpr int kDraws = 20000;
  Sampler sampler(options);
  std::map<int32_t, double> out;
  for (int i = 0; i < kDraws; ++i) out[sampler.sample(logits, history)] += 1.0;
  for (auto& [id, share] : out) share /= kDraws;
  return out;
}

// Within five standard deviations of a share of 20000 draws.
void expect_shares(const std::map<int32_t, double>& got, const std::map<int32_t, double>& expected) {
  for (const auto& [id, p] : expected) {
    ASSERT_TRUE(got.contains(id)) << id;
    EXPECT_NEAR(got.at(id), p, 5.0 * std::sqrt(p * (1.0 - p) / 20000.0)) << id;
  }
  EXPECT_EQ(got.size(), expected.size());
}

int32_t argmax(const std::vector<float>& logits) {
  return static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

TEST(Sampler, WithoutTemperatureTheGreatestLogitAndTheLowestIdOnTies) {
  Rng rng(1);
  for (int i = 0; i < 100; ++i) {
    const std::vector<float> logits = random_logits(1 + rng.below(50), rng);
    EXPECT_EQ(Sampler({}).sample(logits, {}), argmax(logits));
  }
  EXPECT_EQ(Sampler({}).sample(std::vector<float>{1.0f, 3.0f, 3.0f, 2.0f, 3.0f}, {}), 1);
  EXPECT_EQ(Sampler({}).sample(std::vector<float>{-0.0f, 0.0f}, {}), 0);
}

TEST(Sampler, OneCandidateIsTheGreatest) {
  Rng rng(2);
  for (int i = 0; i < 100; ++i) {
    const std::vector<float> logits = random_logits(40, rng);
    SamplingOptions options;
    options.temperature = 0.1 + rng.uniform() * 3.0;
    options.seed = rng.next_u64();
    SamplingOptions top_k = options, top_p = options, min_p = options, cold = options;
    top_k.top_k = 1;
    top_p.top_p = 0.0;
    min_p.min_p = 1.0;
    cold.temperature = 1e-6;
    for (const SamplingOptions& o : {top_k, top_p, min_p, cold}) {
      EXPECT_EQ(Sampler(o).sample(logits, {}), argmax(logits));
    }
  }
}

TEST(Sampler, DrawsFollowTheDistribution) {
  SamplingOptions options;
  options.temperature = 1.0;
  expect_shares(shares(options, logits_of({0.1, 0.5, 0.15, 0.25})), {{0, 0.1}, {1, 0.5}, {2, 0.15}, {3, 0.25}});
  // At temperature 1/2 probabilities are squared: 0.01, 0.25, 0.0225, 0.0625 of 0.345.
  options.temperature = 0.5;
  expect_shares(shares(options, logits_of({0.1, 0.5, 0.15, 0.25})),
                {{0, 0.01 / 0.345}, {1, 0.25 / 0.345}, {2, 0.0225 / 0.345}, {3, 0.0625 / 0.345}});
}

TEST(Sampler, TopK) {
  SamplingOptions options;
  options.temperature = 1.0;
  options.top_k = 2;
  expect_shares(shares(options, logits_of({0.1, 0.5, 0.15, 0.25})), {{1, 2.0 / 3.0}, {3, 1.0 / 3.0}});
  // A tie at the border goes to the lower id.
  expect_shares(shares(options, logits_of({0.2, 0.2, 0.4, 0.2})), {{2, 2.0 / 3.0}, {0, 1.0 / 3.0}});
  options.top_k = 100;
  EXPECT_EQ(shares(options, logits_of({0.1, 0.5, 0.15, 0.25})).size(), 4u);
}

TEST(Sampler, TopP) {
  SamplingOptions options;
  options.temperature = 1.0;
  options.top_p = 0.6;  // 0.5 is not enough, 0.75 is
  expect_shares(shares(options, logits_of({0.1, 0.5, 0.15, 0.25})), {{1, 2.0 / 3.0}, {3, 1.0 / 3.0}});
  options.top_p = 0.45;
  expect_shares(shares(options, logits_of({0.1, 0.5, 0.15, 0.25})), {{1, 1.0}});
  options.top_p = 0.8;
  expect_shares(shares(options, logits_of({0.1, 0.5, 0.15, 0.25})),
                {{1, 0.5 / 0.9}, {3, 0.25 / 0.9}, {2, 0.15 / 0.9}});
  // After top-k: shares of what is left. 0.5 / 0.75 reaches 0.6.
  options.top_p = 0.6;
  options.top_k = 2;
  expect_shares(shares(options, logits_of({0.1, 0.5, 0.15, 0.25})), {{1, 1.0}});
}

TEST(Sampler, MinP) {
  SamplingOptions options;
  options.temperature = 1.0;
  options.min_p = 0.4;  // of 0.5: 0.2
  expect_shares(shares(options, logits_of({0.1, 0.5, 0.15, 0.25})), {{1, 2.0 / 3.0}, {3, 1.0 / 3.0}});
  options.min_p = 0.25;  // of 0.5: 0.125
  EXPECT_EQ(shares(options, logits_of({0.1, 0.5, 0.15, 0.25})).size(), 3u);
}

TEST(Sampler, RepetitionPenalty) {
  SamplingOptions options;
  options.repetition_penalty = 2.0;
  const auto pick = [&](const std::vector<float>& logits, const std::vector<int32_t>& history) {
    return Sampler(options).sample(logits, history);
  };
  EXPECT_EQ(pick({2.0f, 1.5f, 0.5f}, {}), 0);
  EXPECT_EQ(pick({2.0f, 1.5f, 0.5f}, {0}), 1);           // 2 becomes 1
  EXPECT_EQ(pick({2.0f, 1.5f, 0.5f}, {0, 1}), 0);        // 1, 0.75, 0.5
  EXPECT_EQ(pick({2.0f, 1.5f, 0.5f}, {0, 0, 0, 0}), 1);  // once, however often it was seen
  EXPECT_EQ(pick({-1.0f, -1.5f}, {0}), 1);               // -1 becomes -2
  EXPECT_EQ(pick({2.0f, 1.5f}, {-1, 99}), 0);            // foreign ids mean nothing
  options.penalty_window = 1;
  EXPECT_EQ(pick({2.0f, 1.5f, 0.5f}, {0, 2}), 0);  // only 2 counts
  EXPECT_EQ(pick({2.0f, 1.5f, 0.5f}, {2, 0}), 1);
  options.penalty_window = 0;
  EXPECT_EQ(pick({2.0f, 1.5f, 0.5f}, {0}), 0);
  options.penalty_window = 64;
  options.temperature = 1.0;
  options.repetition_penalty = 1.0;
  expect_shares(shares(options, logits_of({0.5, 0.5}), {0}), {{0, 0.5}, {1, 0.5}});
}

// The definition, slow: everything sorted, everything summed best first.
int32_t sample_oracle(const SamplingOptions& o, std::span<const float> logits, Rng& rng) {
  std::vector<int32_t> ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  const auto logit = [&](int32_t id) { return logits[static_cast<size_t>(id)]; };
  std::sort(ids.begin(), ids.end(),
            [&](int32_t a, int32_t b) { return logit(a) != logit(b) ? logit(a) > logit(b) : a < b; });
  if (o.top_k > 0) ids.resize(std::min(ids.size(), static_cast<size_t>(o.top_k)));
  std::vector<double> p;
  for (const int32_t id : ids) {
    p.push_back(arith::exp(static_cast<float>((logit(id) - logit(ids[0])) / o.temperature)));
  }
  const double all = std::accumulate(p.begin(), p.end(), 0.0);
  size_t keep = 0;
  double sum = 0.0;
  while (keep < p.size()) {
    if (keep > 0 && (p[keep] < o.min_p * p[0] || sum >= o.top_p * all)) break;
    sum += p[keep++];
  }
  double left = rng.uniform() * sum;
  for (size_t i = 0; i < keep; ++i) {
    left -= p[i];
    if (left < 0.0) return ids[i];
  }
  return ids[keep - 1];
}

TEST(Sampler, EveryDrawIsThatOfTheDefinition) {
  Rng rng(4);
  for (int i = 0; i < 400; ++i) {
    std::vector<float> logits = random_logits(1 + rng.below(i % 8 == 0 ? 30000 : 600), rng);
    if (i % 3 == 0) {
      for (float& v : logits) v = std::round(v);  // ties
    }
    SamplingOptions options;
    options.temperature = 0.1 + rng.uniform() * 4.0;
    options.seed = rng.next_u64();
    if (i % 2 == 0) options.top_p = 0.02 * static_cast<double>(1 + rng.below(50));
    if (i % 5 < 2) options.min_p = 0.01 * static_cast<double>(rng.below(20));
    if (i % 7 < 2) options.top_k = static_cast<int32_t>(2 + rng.below(2000));
    Sampler sampler(options);
    Rng draws(options.seed, 1);
    for (int draw = 0; draw < 3; ++draw) {
      ASSERT_EQ(sampler.sample(logits, {}), sample_oracle(options, logits, draws)) << i;
    }
  }
}

TEST(Sampler, TheSeedDecides) {
  Rng rng(3);
  std::vector<std::vector<float>> steps;
  for (int i = 0; i < 50; ++i) steps.push_back(random_logits(100, rng));
  const auto ids = [&](uint64_t seed) {
    SamplingOptions options;
    options.temperature = 2.0;
    options.seed = seed;
    Sampler sampler(options);
    std::vector<int32_t> out;
    for (const auto& logits : steps) out.push_back(sampler.sample(logits, out));
    return out;
  };
  EXPECT_EQ(ids(7), ids(7));
  EXPECT_NE(ids(7), ids(8));
}

}  // namespace
}  // namespace lowbit::runtime

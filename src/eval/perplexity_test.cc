// Perplexity and divergence against sums written out in double, on models whose logits are a table.
#include "eval/perplexity.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/rng.h"
#include "io/test_files.h"
#include "runtime/test_model.h"

namespace lowbit::eval {
namespace {

using runtime::test::TableModel;

double log_sum_exp(const std::vector<float>& row) {
  double sum = 0.0;
  for (const float v : row) sum += std::exp(static_cast<double>(v));
  return std::log(sum);
}

double nll_of(const std::vector<float>& row, int32_t next) {
  return log_sum_exp(row) - static_cast<double>(row[static_cast<size_t>(next)]);
}

double kl_of(const std::vector<float>& p, const std::vector<float>& q) {
  double sum = 0.0;
  for (size_t i = 0; i < p.size(); ++i) {
    const double log_p = static_cast<double>(p[i]) - log_sum_exp(p),
                 log_q = static_cast<double>(q[i]) - log_sum_exp(q);
    sum += std::exp(log_p) * (log_p - log_q);
  }
  return sum;
}

// Tokens "a" to "h" and a control token, with logits of quarters in [-4, 4).
TableModel random_model(uint64_t seed, bool adds_bos = false) {
  TableModel model{{"a", "b", "c", "d", "e", "f", "g", "h", "<|bos|>"}, {}, adds_bos, 8, -1};
  Rng rng(seed);
  model.logits.assign(9, std::vector<float>(9));
  for (auto& row : model.logits) {
    for (float& v : row) v = static_cast<float>(rng.below(32)) * 0.25f - 4.0f;
  }
  return model;
}

std::string random_text(size_t count, uint64_t seed) {
  Rng rng(seed);
  std::string text;
  for (size_t i = 0; i < count; ++i) text += static_cast<char>('a' + rng.below(8));
  return text;
}

class Perplexity : public testing::Test {
 protected:
  std::unique_ptr<runtime::Engine> open(const std::string& name, const TableModel& model) {
    runtime::test::write_table_model(folder_ / name, model);
    runtime::EngineOptions options;
    options.threads = 2;
    auto engine = runtime::Engine::open(folder_ / name, options);
    EXPECT_TRUE(engine.ok()) << engine.message();
    return std::move(engine).value();
  }
  static Result<EvalResult> run(const runtime::Engine& model, const runtime::Engine* base, const std::string& text,
                                EvalOptions options) {
    return evaluate(model, base, text, options, graph::NumericPolicy::standard());
  }
  static EvalOptions context_of(int64_t context, int64_t chunks = -1) {
    EvalOptions options;
    options.context = context;
    options.chunks = chunks;
    return options;
  }

  io::test::TemporaryFolder folder_;
};

// Uniform logits over 9 tokens: 9 whatever the text is, and no spread.
TEST_F(Perplexity, OfAUniformModelIsItsVocabulary) {
  TableModel model = random_model(1);
  for (auto& row : model.logits) std::fill(row.begin(), row.end(), 0.5f);
  const auto engine = open("m", model);
  const auto result = run(*engine, nullptr, random_text(40, 2), context_of(8));
  ASSERT_TRUE(result.ok()) << result.message();
  EXPECT_NEAR(result->perplexity, 9.0, 1e-5);
  EXPECT_NEAR(result->perplexity_stderr, 0.0, 1e-6);
  EXPECT_EQ(result->chunks, 5);
  EXPECT_EQ(result->tokens, 15);
  EXPECT_FALSE(result->has_base);
}

// Of chunks of 8 tokens the predictions of tokens 5, 6 and 7 count, each from the token before it; of 5 tokens those
// of 3 and 4; of 4 that of the last.
TEST_F(Perplexity, ByHand) {
  const TableModel model = random_model(3);
  const auto engine = open("m", model);
  const std::string text = random_text(53, 4);
  const std::pair<int64_t, std::vector<int>> cases[] = {{8, {5, 6, 7}}, {5, {3, 4}}, {4, {3}}, {9, {5, 6, 7, 8}}};
  for (const auto& [context, places] : cases) {
    std::vector<double> nll;
    for (int64_t chunk = 0; chunk < 53 / context; ++chunk) {
      for (const int place : places) {
        const auto at = static_cast<size_t>(chunk * context + place);
        nll.push_back(nll_of(model.logits[static_cast<size_t>(text[at - 1] - 'a')], text[at] - 'a'));
      }
    }
    double mean = 0.0, squares = 0.0;
    for (const double v : nll) mean += v / static_cast<double>(nll.size());
    for (const double v : nll) squares += (v - mean) * (v - mean);
    const auto n = static_cast<double>(nll.size());
    const auto result = run(*engine, nullptr, text, context_of(context));
    ASSERT_TRUE(result.ok()) << result.message();
    EXPECT_EQ(result->tokens, static_cast<int64_t>(nll.size()));
    EXPECT_EQ(result->chunks, 53 / context);
    EXPECT_EQ(result->context, context);
    EXPECT_NEAR(result->perplexity, std::exp(mean), 1e-5 * std::exp(mean)) << context;
    EXPECT_NEAR(result->perplexity_stderr, std::exp(mean) * std::sqrt(squares / (n - 1.0) / n), 1e-4) << context;
    ASSERT_EQ(result->per_chunk.size(), static_cast<size_t>(result->chunks));
    double first = 0.0;
    for (size_t i = 0; i < places.size(); ++i) first += nll[i] / static_cast<double>(places.size());
    EXPECT_NEAR(result->per_chunk[0].nll, first, 1e-5);
  }
}

TEST_F(Perplexity, SoManyChunks) {
  const auto engine = open("m", random_model(5));
  const std::string text = random_text(100, 6);
  const auto two = run(*engine, nullptr, text, context_of(10, 2)),
             same = run(*engine, nullptr, text.substr(0, 20), context_of(10));
  ASSERT_TRUE(two.ok() && same.ok());
  EXPECT_EQ(two->chunks, 2);
  EXPECT_EQ(two->tokens, 8);
  EXPECT_EQ(two->perplexity, same->perplexity);
  EXPECT_EQ(run(*engine, nullptr, text, context_of(10, 99))->chunks, 10);
  EXPECT_EQ(run(*engine, nullptr, text, context_of(64))->chunks, 1);
}

TEST_F(Perplexity, ShortTextsAndContextsAreErrors) {
  const auto engine = open("m", random_model(7));
  const auto result = run(*engine, nullptr, random_text(9, 8), context_of(10));
  ASSERT_FALSE(result.ok());
  EXPECT_NE(result.message().find("9 tokens"), std::string::npos) << result.message();
  EXPECT_NE(result.message().find("10"), std::string::npos) << result.message();
  EXPECT_FALSE(run(*engine, nullptr, "", context_of(10)).ok());
  EXPECT_FALSE(run(*engine, nullptr, random_text(50, 8), context_of(3)).ok());
  EXPECT_FALSE(run(*engine, nullptr, random_text(50, 8), {}).ok());
  EXPECT_FALSE(run(*engine, nullptr, random_text(50, 8), context_of(-8)).ok());
}

// The model was trained for 64 tokens.
TEST_F(Perplexity, TheContextIsAtMostThatOfTheModel) {
  const auto engine = open("m", random_model(7));
  const std::string text = random_text(200, 8);
  const auto result = run(*engine, nullptr, text, context_of(65));
  ASSERT_FALSE(result.ok());
  EXPECT_NE(result.message().find("--context 65 is more than the 64 tokens"), std::string::npos) << result.message();
  const auto usual = run(*engine, nullptr, text, {}), same = run(*engine, nullptr, text, context_of(64));
  ASSERT_TRUE(usual.ok() && same.ok()) << usual.message();
  EXPECT_EQ(usual->context, 64);
  EXPECT_EQ(usual->perplexity, same->perplexity);
  TableModel small = random_model(9);
  small.context = 16;
  const auto base = open("b", small);
  EXPECT_EQ(run(*engine, base.get(), text, {})->context, 16);
  EXPECT_FALSE(run(*engine, base.get(), text, context_of(32)).ok());
}

// Chunks of 600 tokens are read in several pieces with and without logits; the bits are those of one forward pass.
TEST_F(Perplexity, PiecesDoNotChangeABit) {
  TableModel model = random_model(22), other = random_model(23);
  model.context = other.context = 1000;
  const auto engine = open("m", model), base = open("b", other);
  const std::string text = random_text(1200, 24);
  std::vector<double> progress;
  const auto result =
      evaluate(*engine, base.get(), text, context_of(600), graph::NumericPolicy::standard(),
               [&](std::string_view, double done, double total) { progress.push_back(done / total); });
  ASSERT_TRUE(result.ok()) << result.message();
  EXPECT_EQ(result->tokens, 2 * 299);
  EXPECT_GT(progress.size(), 10u);
  EXPECT_TRUE(std::is_sorted(progress.begin(), progress.end()));
  EXPECT_EQ(progress.back(), 1.0);
  for (int64_t chunk = 0; chunk < 2; ++chunk) {
    std::vector<int32_t> ids;
    for (const char c : text.substr(static_cast<size_t>(chunk) * 600, 600)) ids.push_back(c - 'a');
    std::vector<float> logits, base_logits;
    const auto whole = [&](const runtime::Engine& e, const graph::NumericPolicy& policy, std::vector<float>& out) {
      const auto executor = e.executor_for(policy, active_isa()).value();
      exec::Cache cache = executor->new_cache(600);
      const exec::Segment segment{ids, &cache, 600};
      ASSERT_TRUE(executor->forward({&segment, 1}, out).ok());
    };
    whole(*engine, graph::NumericPolicy::standard(), logits);
    whole(*base, graph::NumericPolicy::reference(), base_logits);
    double chunk_nll = 0.0, chunk_kl = 0.0;
    for (size_t at = 300; at < 599; ++at) {
      const auto p = std::span<const float>(base_logits).subspan(9 * at, 9);
      const auto q = std::span<const float>(logits).subspan(9 * at, 9);
      const LogSoftmax q_soft(q);
      chunk_nll += q_soft.norm() - static_cast<double>(q[static_cast<size_t>(ids[at + 1])]);
      chunk_kl += kl_divergence(p, LogSoftmax(p), q, q_soft);
    }
    EXPECT_EQ(result->per_chunk[static_cast<size_t>(chunk)].nll, chunk_nll / 299.0);
    EXPECT_EQ(result->per_chunk[static_cast<size_t>(chunk)].kl, chunk_kl / 299.0);
  }
}

TEST_F(Perplexity, LogitsThatAreNoNumbersAreAnError) {
  TableModel broken = random_model(25);
  broken.logits[1][2] = NAN;
  const auto good = open("good", random_model(25)), bad = open("bad", broken);
  const std::string text = random_text(80, 26);
  for (const auto& [model, base] : {std::pair(bad.get(), good.get()), std::pair(good.get(), bad.get()),
                                    std::pair<runtime::Engine*, runtime::Engine*>(bad.get(), nullptr)}) {
    const auto result = run(*model, base, text, context_of(16));
    ASSERT_FALSE(result.ok());
    EXPECT_NE(result.message().find("bad: after 9 tokens of chunk 1"), std::string::npos) << result.message();
  }
}

// Rows beyond the tokenizer's tokens take part in the distribution; as guesses they have no text.
TEST_F(Perplexity, PaddedVocabularies) {
  TableModel model = random_model(27), base = random_model(28);
  for (TableModel* m : {&model, &base}) {
    m->named = 8;
    m->bos = -1;
    for (auto& row : m->logits) row[8] = 6.0f;
  }
  const auto engine = open("m", model), base_engine = open("b", base);
  const auto result = run(*engine, base_engine.get(), random_text(80, 29), context_of(16));
  ASSERT_TRUE(result.ok()) << result.message();
  ASSERT_FALSE(result->worst.empty());
  EXPECT_EQ(result->worst[0].base_top[0].token, "");
}

// Zero chunks would have no mean.
TEST_F(Perplexity, NoChunksIsAnError) {
  const auto engine = open("m", random_model(7));
  const auto result = run(*engine, nullptr, random_text(50, 8), context_of(10, 0));
  EXPECT_FALSE(result.ok());
}

// ---- chunks ----

TEST_F(Perplexity, ChunksAreCutWithoutOverlap) {
  const auto engine = open("m", random_model(9));
  const auto chunks = chunk_tokens(*engine->tokenizer, "abcdefghab", 4, -1);
  ASSERT_TRUE(chunks.ok());
  EXPECT_EQ(*chunks, (std::vector<std::vector<int32_t>>{{0, 1, 2, 3}, {4, 5, 6, 7}}));
}

// BOS stands in front of the text, and in place of the first token of each later chunk.
TEST_F(Perplexity, BosBeginsEveryChunk) {
  const auto engine = open("m", random_model(10, true));
  const auto chunks = chunk_tokens(*engine->tokenizer, "abcdefghabc", 4, -1);
  ASSERT_TRUE(chunks.ok());
  EXPECT_EQ(*chunks, (std::vector<std::vector<int32_t>>{{8, 0, 1, 2}, {8, 4, 5, 6}, {8, 0, 1, 2}}));
}

TEST_F(Perplexity, ControlTokensInTheTextAreText) {
  TableModel model = random_model(11);
  model.tokens[0] = "<";
  model.tokens[1] = "|";
  const auto engine = open("m", model);
  const auto chunks = chunk_tokens(*engine->tokenizer, "<|bos|>cccc", 4, -1);
  ASSERT_TRUE(chunks.ok());
  for (const auto& chunk : *chunks) EXPECT_EQ(std::count(chunk.begin(), chunk.end(), 8), 0);
}

// ---- divergence ----

TEST_F(Perplexity, DivergenceByHand) {
  const TableModel model = random_model(12), base = random_model(13);
  const auto engine = open("m", model), base_engine = open("b", base);
  const std::string text = random_text(60, 14);
  std::vector<double> kl, nll_base;
  int agreed = 0;
  for (size_t chunk = 0; chunk < 6; ++chunk) {
    for (size_t place = 6; place < 10; ++place) {
      const auto before = static_cast<size_t>(text[chunk * 10 + place - 1] - 'a');
      const auto& p = base.logits[before];
      const auto& q = model.logits[before];
      kl.push_back(kl_of(p, q));
      nll_base.push_back(nll_of(p, text[chunk * 10 + place] - 'a'));
      agreed += std::max_element(p.begin(), p.end()) - p.begin() == std::max_element(q.begin(), q.end()) - q.begin();
    }
  }
  double mean = 0.0, mean_base = 0.0;
  for (const double v : kl) mean += v / static_cast<double>(kl.size());
  for (const double v : nll_base) mean_base += v / static_cast<double>(kl.size());
  EvalOptions options = context_of(10);
  options.worst = 5;
  const auto result = run(*engine, base_engine.get(), text, options);
  ASSERT_TRUE(result.ok()) << result.message();
  EXPECT_TRUE(result->has_base);
  EXPECT_NEAR(result->kl_mean, mean, 1e-5);
  EXPECT_NEAR(result->kl_max, *std::max_element(kl.begin(), kl.end()), 1e-5);
  EXPECT_NEAR(result->perplexity_base, std::exp(mean_base), 1e-4);
  EXPECT_DOUBLE_EQ(result->top1_agreement, agreed / 24.0);
  ASSERT_EQ(result->kl_by_position.size(), 4u);
  EXPECT_NEAR(result->kl_by_position[1], (kl[1] + kl[5] + kl[9] + kl[13] + kl[17] + kl[21]) / 6.0, 1e-5);
  // The worst positions are the greatest divergences, in order, and name what came.
  std::sort(kl.begin(), kl.end(), std::greater<>());
  ASSERT_EQ(result->worst.size(), 5u);
  for (size_t i = 0; i < 5; ++i) {
    const WorstPosition& w = result->worst[i];
    EXPECT_NEAR(w.kl, kl[i], 1e-5);
    const auto at = static_cast<size_t>(w.chunk * 10 + w.position);
    EXPECT_EQ(w.actual, text.substr(at, 1));
    EXPECT_EQ(w.before, text.substr(static_cast<size_t>(w.chunk * 10), static_cast<size_t>(w.position)));
    ASSERT_EQ(w.base_top.size(), 3u);
    const auto& p = base.logits[static_cast<size_t>(text[at - 1] - 'a')];
    const auto best = static_cast<size_t>(std::max_element(p.begin(), p.end()) - p.begin());
    EXPECT_EQ(w.base_top[0].token, base.tokens[best]);
    EXPECT_NEAR(w.base_top[0].p, std::exp(static_cast<double>(p[best]) - log_sum_exp(p)), 1e-6);
  }
}

TEST_F(Perplexity, EqualModelsDoNotDiverge) {
  const auto engine = open("m", random_model(15)), base = open("b", random_model(15));
  const auto result = run(*engine, base.get(), random_text(80, 16), context_of(16));
  ASSERT_TRUE(result.ok()) << result.message();
  EXPECT_EQ(result->kl_mean, 0.0);
  EXPECT_EQ(result->kl_max, 0.0);
  EXPECT_EQ(result->top1_agreement, 1.0);
  EXPECT_EQ(result->perplexity, result->perplexity_base);
}

TEST_F(Perplexity, OtherVocabulariesAreErrors) {
  TableModel other = random_model(17), smaller = random_model(18);
  other.tokens[2] = "z";
  smaller.tokens.erase(smaller.tokens.begin() + 7);
  smaller.bos = 7;
  smaller.logits.assign(8, std::vector<float>(8, 0.0f));
  const auto engine = open("m", random_model(19));
  for (const TableModel& model : {other, smaller}) {
    const auto base = open("b", model);
    const auto result = run(*engine, base.get(), random_text(80, 20), context_of(16));
    ASSERT_FALSE(result.ok());
    EXPECT_NE(result.message().find("base"), std::string::npos) << result.message();
  }
}

TEST(KlDivergence, IsNeverNegativeAndZeroForShiftedLogits) {
  Rng rng(21);
  for (int i = 0; i < 300; ++i) {
    const size_t count = 1 + rng.below(70);
    std::vector<float> p(count), q(count), shifted(count);
    for (size_t j = 0; j < count; ++j) {
      p[j] = static_cast<float>(rng.normal() * 5.0);
      q[j] = i % 2 == 0 ? static_cast<float>(rng.normal() * 5.0) : p[j] + static_cast<float>(rng.normal() * 1e-4);
      shifted[j] = p[j] + 2.0f;
    }
    const LogSoftmax p_soft(p), q_soft(q), shifted_soft(shifted);
    const double kl = kl_divergence(p, p_soft, q, q_soft);
    EXPECT_GE(kl, 0.0);
    EXPECT_NEAR(kl, kl_of(p, q), 1e-6 + 1e-5 * kl);
    EXPECT_EQ(kl_divergence(p, p_soft, p, p_soft), 0.0);
    EXPECT_NEAR(kl_divergence(p, p_soft, shifted, shifted_soft), 0.0, 1e-6);
    EXPECT_NEAR(p_soft.norm(), log_sum_exp(p), 1e-6 * std::max(1.0, std::fabs(p_soft.norm())));
  }
}

}  // namespace
}  // namespace lowbit::eval

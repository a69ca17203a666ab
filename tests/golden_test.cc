// Models and logits that an independent program made (goldens/README.md), against everything from file to logits.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/rng.h"
#include "eval/perplexity.h"
#include "runtime/generate.h"

namespace lowbit {
namespace {

const nlohmann::json& goldens() {
  static const nlohmann::json all = nlohmann::json::parse(std::ifstream("goldens/tiny-llama.logits.json"));
  return all;
}

std::unique_ptr<runtime::Engine> open_reference(const std::string& file) {
  runtime::EngineOptions options;
  options.policy = graph::NumericPolicy::reference();
  options.threads = 1;
  auto engine = runtime::Engine::open("goldens/" + file, options);
  EXPECT_TRUE(engine.ok()) << (engine.ok() ? "" : engine.message());
  return engine.ok() ? std::move(engine).value() : nullptr;
}

class Golden : public testing::TestWithParam<const char*> {};

TEST_P(Golden, TheTokenizerGivesTheSameIds) {
  const auto engine = open_reference(GetParam());
  ASSERT_NE(engine, nullptr);
  for (const auto& prompt : goldens().at(GetParam())) {
    const auto text = prompt.at("text").get<std::string>();
    EXPECT_EQ(engine->tokenizer->encode(text, {.parse_control = true}), prompt.at("ids").get<std::vector<int32_t>>());
    EXPECT_EQ(engine->tokenizer->decode(prompt.at("ids").get<std::vector<int32_t>>(), true), text);
  }
}

TEST_P(Golden, ReferenceLogitsAreWithinATenThousandthOfTheSpread) {
  const auto engine = open_reference(GetParam());
  ASSERT_NE(engine, nullptr);
  for (const auto& prompt : goldens().at(GetParam())) {
    const auto ids = prompt.at("ids").get<std::vector<int32_t>>();
    const auto rows = prompt.at("rows").get<std::vector<size_t>>();
    const auto expected = prompt.at("logits").get<std::vector<std::vector<double>>>();
    exec::Cache cache = engine->executor->new_cache(static_cast<int64_t>(ids.size()));
    const exec::Segment segment{ids, &cache, static_cast<int64_t>(ids.size())};
    std::vector<float> logits;
    ASSERT_TRUE(engine->executor->forward({&segment, 1}, logits).ok());
    const auto width = static_cast<size_t>(engine->executor->vocabulary());
    ASSERT_EQ(logits.size(), ids.size() * width);
    double worst = 0.0;
    for (size_t r = 0; r < rows.size(); ++r) {
      ASSERT_EQ(expected[r].size(), width);
      for (size_t i = 0; i < width; ++i) {
        worst = std::max(worst, std::fabs(static_cast<double>(logits[rows[r] * width + i]) - expected[r][i]));
      }
    }
    EXPECT_LT(worst, 1e-4 * prompt.at("spread").get<double>()) << prompt.at("text");
    EXPECT_GT(worst, 0.0);  // fp32 and float64 agree to the last bit nowhere near 400 times
  }
}

TEST_P(Golden, GreedyTokensAreTheSame) {
  const auto engine = open_reference(GetParam());
  ASSERT_NE(engine, nullptr);
  for (const auto& prompt : goldens().at(GetParam())) {
    const auto expected = prompt.at("greedy").get<std::vector<int32_t>>();
    runtime::Session session(*engine, engine->opened.model.context);
    const auto ids = prompt.at("ids").get<std::vector<int32_t>>();
    runtime::GenerateOptions options;
    options.max_tokens = static_cast<int64_t>(expected.size());
    const auto result = session.generate(ids, options);
    ASSERT_TRUE(result.ok()) << result.message();
    EXPECT_EQ(result->ids, expected);
    EXPECT_EQ(result->finish_reason, "length");
  }
}

// Two turns in one session are one prompt of both.
TEST_P(Golden, ASessionContinuesWhereItStood) {
  const auto engine = open_reference(GetParam());
  ASSERT_NE(engine, nullptr);
  runtime::GenerateOptions options;
  options.max_tokens = 5;
  std::vector<int32_t> all = engine->tokenizer->encode("Alice was"), more = engine->tokenizer->encode(", and so");
  runtime::Session session(*engine, 256);
  const auto first = session.generate(all, options);
  ASSERT_TRUE(first.ok());
  ASSERT_EQ(first->finish_reason, "length");
  const auto second = session.generate(more, options);
  ASSERT_TRUE(second.ok());
  all.insert(all.end(), first->ids.begin(), first->ids.end());
  all.insert(all.end(), more.begin(), more.end());
  runtime::Session fresh(*engine, 256);
  const auto whole = fresh.generate(all, options);
  ASSERT_TRUE(whole.ok());
  EXPECT_EQ(second->ids, whole->ids);
  EXPECT_EQ(session.length(), fresh.length());
}

// A prompt longer than what is fed at a time.
TEST_P(Golden, LongPromptsAreFedInChunks) {
  const auto engine = open_reference(GetParam());
  ASSERT_NE(engine, nullptr);
  std::vector<int32_t> ids;
  Rng rng(51);
  while (ids.size() < 2 * runtime::kChunk + 7) ids.push_back(static_cast<int32_t>(rng.below(400)));
  runtime::Session session(*engine, static_cast<int64_t>(ids.size()));
  const auto result = session.generate(ids, {});
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->finish_reason, "context");
  ASSERT_EQ(result->ids.size(), 1u);
  exec::Cache cache = engine->executor->new_cache(static_cast<int64_t>(ids.size()));
  const exec::Segment segment{ids, &cache, 1};
  std::vector<float> logits;
  ASSERT_TRUE(engine->executor->forward({&segment, 1}, logits).ok());
  EXPECT_EQ(result->ids[0], std::max_element(logits.begin(), logits.end()) - logits.begin());
}

// What eval says does not depend on the number of threads; low precision costs something, but not much.
TEST(GoldenEval, OfTheMixedModel) {
  std::vector<eval::EvalResult> results;
  const std::string text = nlohmann::json(goldens().at("tiny-llama.gguf").at(1).at("text")).get<std::string>();
  for (const int threads : {1, 2}) {
    runtime::EngineOptions options;
    options.threads = threads;
    const auto model = runtime::Engine::open("goldens/tiny-llama-mixed.gguf", options);
    ASSERT_TRUE(model.ok());
    eval::EvalOptions eval_options;
    eval_options.context = 16;
    auto low = eval::evaluate(**model, model->get(), text + text, eval_options, options.policy);
    ASSERT_TRUE(low.ok()) << low.message();
    EXPECT_GT(low->kl_mean, 0.0);
    EXPECT_LT(low->kl_mean, 0.1);
    results.push_back(std::move(low).value());
    eval_options.reference = true;
    const auto same = eval::evaluate(**model, model->get(), text + text, eval_options, options.policy);
    ASSERT_TRUE(same.ok());
    EXPECT_EQ(same->kl_max, 0.0);
  }
  EXPECT_EQ(results[0].perplexity, results[1].perplexity);
  EXPECT_EQ(results[0].kl_mean, results[1].kl_mean);
  EXPECT_EQ(results[0].kl_by_position, results[1].kl_by_position);
}

INSTANTIATE_TEST_SUITE_P(TinyLlama, Golden, testing::Values("tiny-llama.gguf", "tiny-llama-mixed.gguf"),
                         [](const auto& info) { return info.index == 0 ? "f32" : "mixed"; });

}  // namespace
}  // namespace lowbit

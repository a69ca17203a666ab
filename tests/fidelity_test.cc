// SmolLM2 on WikiText-2 against llama.cpp: weights dequantized to F32, context 512, the first 16 chunks. Minutes, so
// only under LOWBIT_EXHAUSTIVE, and only where the model is in the cache and the text is beside the project.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "base/file.h"
#include "cached_model.h"
#include "eval/perplexity.h"
#include "runtime/engine.h"

namespace lowbit::tests {
namespace {

constexpr const char* kText = "../shared/data/wikitext2-test.txt";
constexpr double kLlamaCpp = 23.5358;  // perplexity
constexpr double kReferenceBound = 0.0005, kDefaultBound = 0.005, kKlBound = 0.003;

class Fidelity : public testing::Test {
 protected:
  void SetUp() override {
    if (std::getenv("LOWBIT_EXHAUSTIVE") == nullptr) GTEST_SKIP() << "only under LOWBIT_EXHAUSTIVE";
    path_ = cached_model("smollm2-135m");
    if (path_.empty()) GTEST_SKIP() << "smollm2-135m is not in the cache (lowbit pull smollm2-135m)";
    if (!std::filesystem::exists(kText)) GTEST_SKIP() << kText << " is not here";
  }
  std::string path_;
};

TEST_F(Fidelity, PerplexityIsThatOfLlamaCpp) {
  const auto text = read_text_file(kText, 1 << 24);
  ASSERT_TRUE(text.ok()) << text.message();
  runtime::EngineOptions options;
  const auto model = runtime::Engine::open(path_, options);
  ASSERT_TRUE(model.ok()) << model.message();
  eval::EvalOptions eval_options;
  eval_options.chunks = 16;
  const auto result = eval::evaluate(**model, model->get(), *text, eval_options, options.policy);
  ASSERT_TRUE(result.ok()) << result.message();
  ASSERT_EQ(result->tokens, 16 * 255);
  EXPECT_LT(std::fabs(result->perplexity_base / kLlamaCpp - 1.0), kReferenceBound) << result->perplexity_base;
  EXPECT_LT(std::fabs(result->perplexity / kLlamaCpp - 1.0), kDefaultBound) << result->perplexity;
  EXPECT_LE(result->kl_mean, kKlBound);
  RecordProperty("reference", std::to_string(result->perplexity_base));
  RecordProperty("default", std::to_string(result->perplexity));
  RecordProperty("kl", std::to_string(result->kl_mean));
}

}  // namespace
}  // namespace lowbit::tests

// The folder that transformers saves of a model and its GGUF (goldens/make_tiny_models.py) are the same model.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "tiny_llama.h"

namespace lowbit {
namespace {

using graph::NumericPolicy;

std::vector<std::string> names() {
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator("goldens/hf")) {
    found.push_back(entry.path().filename().string());
  }
  std::ranges::sort(found);
  return found;
}

class HfFolder : public testing::TestWithParam<std::string> {};

std::vector<float> logits(const models::OpenedModel& opened, const NumericPolicy& policy) {
  const tensor::Weights weights = models::load_weights(opened).value();
  const auto runner = test::executor(test::with_casts(opened.model.graph, weights, policy), weights, active_isa(), 2);
  std::vector<int32_t> tokens;
  for (int32_t i = 0; i < 40; ++i) tokens.push_back((i * i * 7 + 3 * i + 5) % 64);
  exec::Cache cache = runner->new_cache(static_cast<int64_t>(tokens.size()));
  const exec::Segment segment{tokens, &cache, static_cast<int64_t>(tokens.size())};
  std::vector<float> rows;
  const Status status = runner->forward({&segment, 1}, rows);
  EXPECT_TRUE(status.ok()) << status.message();
  return rows;
}

TEST_P(HfFolder, LogitsAreThoseOfTheGgufBitForBit) {
  const auto folder = models::open("goldens/hf/" + GetParam());
  ASSERT_TRUE(folder.ok()) << folder.message();
  const auto gguf = models::open("goldens/architectures/" + GetParam() + ".gguf");
  ASSERT_TRUE(gguf.ok()) << gguf.message();
  EXPECT_EQ(folder->model.context, gguf->model.context);
  EXPECT_EQ(folder->model.encoder, gguf->model.encoder);
  for (const NumericPolicy& policy : {NumericPolicy::reference(), NumericPolicy::standard()}) {
    const std::vector<float> here = logits(*folder, policy), there = logits(*gguf, policy);
    ASSERT_EQ(here.size(), there.size());
    ASSERT_FALSE(here.empty());
    EXPECT_EQ(std::memcmp(here.data(), there.data(), here.size() * sizeof(float)), 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Goldens, HfFolder, testing::ValuesIn(names()), [](const auto& info) {
  std::string name = info.param;
  std::ranges::replace(name, '-', '_');
  return name;
});

}  // namespace
}  // namespace lowbit

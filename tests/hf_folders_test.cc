// The folder that transformers saves of a model and its GGUF (goldens/make_tiny_models.py) are the same model.
#include <gtest/gtest.h>

#include <algorithm>

#include "golden_folders.h"

namespace lowbit {
namespace {

using graph::NumericPolicy;

class HfFolder : public testing::TestWithParam<std::string> {};

TEST_P(HfFolder, LogitsAreThoseOfTheGgufBitForBit) {
  const auto folder = models::open("goldens/hf/" + GetParam());
  ASSERT_TRUE(folder.ok()) << folder.message();
  const auto gguf = models::open("goldens/architectures/" + GetParam() + ".gguf");
  ASSERT_TRUE(gguf.ok()) << gguf.message();
  EXPECT_EQ(folder->model.context, gguf->model.context);
  EXPECT_EQ(folder->model.encoder, gguf->model.encoder);
  for (const NumericPolicy& policy : {NumericPolicy::reference(), NumericPolicy::standard()}) {
    const std::vector<float> here = test::logits_of(*folder, policy), there = test::logits_of(*gguf, policy);
    ASSERT_EQ(here.size(), there.size());
    ASSERT_FALSE(here.empty());
    EXPECT_EQ(std::memcmp(here.data(), there.data(), here.size() * sizeof(float)), 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Goldens, HfFolder, testing::ValuesIn(test::golden_folders()), [](const auto& info) {
  std::string name = info.param;
  std::ranges::replace(name, '-', '_');
  return name;
});

}  // namespace
}  // namespace lowbit

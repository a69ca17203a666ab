// SmolLM2's tokenizer against Hugging Face's (goldens/make_tokenizer_vectors.py). The vocabulary is in the model, so
// this runs where the model is in the cache and is skipped elsewhere.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "cached_model.h"
#include "io/model_file.h"
#include "text/tokenizer.h"

namespace lowbit::tests {
namespace {

TEST(SmolLm2Tokenizer, IdsAreThoseOfHuggingFace) {
  const std::string path = cached_model("smollm2-135m");
  if (path.empty()) GTEST_SKIP() << "smollm2-135m is not in the cache (lowbit pull smollm2-135m)";
  const auto file = io::open_model(path);
  ASSERT_TRUE(file.ok()) << file.message();
  const auto tokenizer = text::Tokenizer::from_metadata((*file)->metadata(), path);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.message();
  const auto goldens = nlohmann::json::parse(std::ifstream("goldens/smollm2.tokens.json"));
  size_t lossless = 0;
  for (const auto& vector : goldens.at("vectors")) {
    const auto text = vector.at("text").get<std::string>();
    const auto ids = vector.at("ids").get<std::vector<int32_t>>();
    uint64_t lost = 0;
    EXPECT_EQ(tokenizer->encode(text, {.lost_bytes = &lost}), ids) << vector.at("text");
    if (lost == 0) {  // the vocabulary lacks some bytes
      EXPECT_EQ(tokenizer->decode(ids), text) << vector.at("text");
      ++lossless;
    }
    const auto special = vector.contains("special") ? vector.at("special").get<std::vector<int32_t>>() : ids;
    EXPECT_EQ(tokenizer->encode(text, {.parse_control = true}), special) << vector.at("text");
  }
  EXPECT_GT(goldens.at("vectors").size(), 300u);
  EXPECT_GT(lossless, goldens.at("vectors").size() / 2);
}

}  // namespace
}  // namespace lowbit::tests

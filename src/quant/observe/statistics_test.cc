#include "quant/observe/statistics.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstring>
#include <filesystem>
#include <map>

#include "base/rng.h"

namespace lowbit::quant {
namespace {

namespace fs = std::filesystem;

class StatisticsTest : public testing::Test {
 protected:
  StatisticsTest() {
    std::string pattern = (fs::temp_directory_path() / "lowbit-statistics-XXXXXX").string();
    root_ = ::mkdtemp(pattern.data());
    opened_ = models::open("goldens/tiny-llama-mixed.gguf").value();
    ThreadPool pool(2);
    weights_ = models::load_weights(opened_, pool).value();
    Rng rng(4);
    for (int c = 0; c < 5; ++c) {
      chunks_.emplace_back();
      for (int t = 0; t < 24; ++t) chunks_.back().push_back(static_cast<int32_t>(rng.below(100)));
    }
    options_.fisher_chunks = 5;
    options_.checkpoint_chunks = 1;
  }
  ~StatisticsTest() override {
    std::error_code ignored;
    fs::remove_all(root_, ignored);
  }
  WorkFolder open(const std::string& name) const { return WorkFolder::open(root_ + "/" + name, "k").value(); }
  Status run(const WorkFolder& work, const std::vector<std::vector<int32_t>>& chunks,
             const ProgressFn& progress = {}) {
    return calibrate(opened_, weights_, chunks, options_, pool_, active_isa(), work, progress);
  }
  // Pieces by name.
  std::map<std::string, std::string> pieces(const std::string& name) const {
    std::map<std::string, std::string> all;
    for (const auto& entry : fs::directory_iterator(root_ + "/" + name)) {
      if (entry.path().extension() != ".piece") continue;
      all[entry.path().filename().string()] = read_text_file(entry.path().string(), 1 << 26).value();
    }
    return all;
  }

  std::string root_;
  models::OpenedModel opened_;
  tensor::Weights weights_;
  std::vector<std::vector<int32_t>> chunks_;
  CalibrationOptions options_;
  std::shared_ptr<ThreadPool> pool_ = std::make_shared<ThreadPool>(2);
};

TEST_F(StatisticsTest, AnEmbeddingThatIsOnlyLookedUpHasStatistics) {
  const WorkFolder work = open("w");
  ASSERT_TRUE(run(work, chunks_).ok());
  EXPECT_TRUE(is_calibrated(opened_.model.graph, work));
  const auto found = read_statistics(work, opened_.model.graph, "token_embd.weight");
  ASSERT_TRUE(found.ok()) << found.message();
  const auto rows = static_cast<size_t>(opened_.model.vocabulary);
  ASSERT_EQ(found->row_weights.size(), rows);
  std::vector<int> counts(rows, 0);
  for (const auto& chunk : chunks_) {
    for (const int32_t id : chunk) counts[static_cast<size_t>(id)] += 1;
  }
  const float floor = 0.1f / static_cast<float>(rows);
  for (size_t r = 0; r < rows; ++r) {
    EXPECT_NEAR(found->row_weights[r], static_cast<float>(counts[r]) / (5 * 24) + floor, 1e-6f);
  }
  const size_t cols = 64;
  ASSERT_EQ(found->second_moments.size(), cols * cols);
  for (size_t i = 0; i < cols * cols; ++i) {
    if (i % (cols + 1) == 0) EXPECT_GT(found->second_moments[i], 0.0f);
    if (i % (cols + 1) != 0) EXPECT_EQ(found->second_moments[i], 0.0f);
  }
}

// A token beyond the vocabulary ends the job in the middle of a pass, as a kill would.
TEST_F(StatisticsTest, ResumesInTheMiddleOfAPassToTheSameBytes) {
  {
    const WorkFolder whole = open("whole");
    ASSERT_TRUE(run(whole, chunks_).ok());
  }
  const WorkFolder work = open("w");
  std::vector<std::vector<int32_t>> broken = chunks_;
  broken[3][0] = 1 << 30;
  EXPECT_FALSE(run(work, broken).ok());
  EXPECT_TRUE(work.has("head-weights-state"));
  EXPECT_FALSE(work.has("head-weights"));
  ASSERT_TRUE(work.erase("token-shares").ok());  // of the broken text
  double first_input = -1.0, first_gradient = -1.0;
  const ProgressFn note = [&](std::string_view stage, double done, double) {
    double& first = stage == "observing inputs" ? first_input : first_gradient;
    if (first < 0.0) first = done;
  };
  // Gradients are interrupted in their turn.
  std::vector<std::vector<int32_t>> broken_later = chunks_;
  broken_later[4][0] = 1 << 30;
  EXPECT_FALSE(run(work, broken_later).ok());
  ASSERT_TRUE(run(work, chunks_, note).ok());
  EXPECT_EQ(first_input, 4.0);
  first_gradient = -1.0;
  ASSERT_TRUE(work.erase("token-shares").ok());
  for (const auto& [name, text] : pieces("w")) {
    if (name.starts_with("fisher-")) ASSERT_TRUE(work.erase(name.substr(0, name.size() - 6)).ok());
  }
  EXPECT_FALSE(run(work, broken_later).ok());
  EXPECT_TRUE(work.has("fisher-state"));
  ASSERT_TRUE(work.erase("token-shares").ok());
  ASSERT_TRUE(run(work, chunks_, note).ok());
  EXPECT_EQ(first_gradient, 4.0);
  EXPECT_TRUE(pieces("w") == pieces("whole"));
}

}  // namespace
}  // namespace lowbit::quant

#include "search/sensitivity.h"

#include <gtest/gtest.h>

#include "base/rng.h"

namespace lowbit::search {
namespace {

formats::Format format_of(const char* text) { return formats::parse_format(text).value(); }

TEST(Sensitivity, CandidatesOfTheListAreDifferent) {
  const auto candidates = default_candidates();
  for (size_t i = 0; i < candidates.size(); ++i) {
    for (size_t j = 0; j < i; ++j) EXPECT_FALSE(candidates[i] == candidates[j]) << formats::print(candidates[i]);
  }
}

TEST(Sensitivity, KindsHaveNoLayerNumbers) {
  EXPECT_EQ(kind_of("blk.12.attn_q.weight"), "blk.#.attn_q.weight");
  EXPECT_EQ(kind_of("output.weight"), "output.weight");
}

TEST(Sensitivity, ASourceOfSeveralPartsCanBeKeptWhole) {
  SensitivityOptions options;
  options.candidates = {format_of("int4/64")};
  options.divide_rows = 64;
  quant::TensorPlan source{
      "x", {128, 64}, {{format_of("int8/64"), 32, true, ""}, {format_of("int4/64"), 96, true, ""}}};
  const auto sites = sites_of(source, options);
  ASSERT_TRUE(sites.ok()) << sites.message();
  ASSERT_EQ(sites->whole.choices.size(), 2u);
  EXPECT_EQ(sites->whole.choices[1].kept.size(), 2u);
  quant::Plan plan;
  plan.tensors.push_back(source);
  EXPECT_EQ(sites->whole.choices[1].bytes, *plan.data_bytes());
  int64_t rows = 0;
  for (const FormatSite& site : sites->divisions) {
    EXPECT_EQ(site.first, rows);
    EXPECT_EQ(site.choices.size(), 1u);
    rows += site.rows;
  }
  EXPECT_EQ(rows, 128);
}

// A whole parameter loses what its divisions lose; finer formats lose less; the same numbers for any threads.
TEST(Sensitivity, LossesOfDivisionsAddUp) {
  const int64_t rows = 256, cols = 64;
  Rng rng(3);
  std::vector<float> values(static_cast<size_t>(rows * cols));
  for (float& v : values) v = static_cast<float>(rng.uniform() - 0.5);
  tensor::Weight weight;
  weight.shape = {rows, cols};
  weight.parts.push_back(tensor::pack_plain(format_of("f32"), rows, cols, values).value());
  quant::ParameterStatistics statistics;
  statistics.second_moments.assign(static_cast<size_t>(cols * cols), 0.0f);
  for (int64_t c = 0; c < cols; ++c) statistics.second_moments[static_cast<size_t>(c * cols + c)] = 1.0f;
  for (int64_t r = 0; r < rows; ++r) statistics.row_weights.push_back(static_cast<float>(r + 1));
  SensitivityOptions options;
  options.candidates = {format_of("int3/32"), format_of("int5/32"), format_of("e4m3fn")};
  options.divide_rows = 64;
  const quant::TensorPlan source{"x", {rows, cols}, {{format_of("f32"), rows, true, ""}}};
  std::vector<double> first;
  for (const int threads : {1, 2}) {
    ThreadPool pool(threads);
    auto sites = sites_of(source, options);
    ASSERT_TRUE(sites.ok());
    ASSERT_TRUE(measure_sites(*sites, weight, statistics, nullptr, options, pool).ok());
    for (size_t c = 0; c < 3; ++c) {
      double sum = 0.0;
      for (const FormatSite& site : sites->divisions) sum += site.choices[c].loss;
      EXPECT_EQ(sites->whole.choices[c].loss, sum);
      EXPECT_GT(sum, 0.0);
    }
    EXPECT_GT(sites->whole.choices[0].loss, sites->whole.choices[1].loss);
    const std::vector<double> losses = losses_of(*sites);
    if (first.empty()) first = losses;
    EXPECT_EQ(losses, first);
    EXPECT_FALSE(set_losses(std::span(losses).first(2), *sites));
  }
}

}  // namespace
}  // namespace lowbit::search

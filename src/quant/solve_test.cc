#include "quant/solve.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "quant/histogram.h"
#include "quant/round/samples_for_test.h"
#include "tensor/gather.h"

namespace lowbit::quant {
namespace {

constexpr int64_t kRows = 100, kCols = 72;

tensor::Weight weight_of(const char* format, std::vector<float> values) {
  tensor::Weight weight;
  weight.shape = {kRows, kCols};
  weight.parts.push_back(tensor::pack_plain(format_of(format), kRows, kCols, values).value());
  return weight;
}

ParameterStatistics sample_statistics() {
  ParameterStatistics statistics;
  statistics.second_moments = sample_moments(kCols, 200, 3);
  for (int64_t r = 0; r < kRows; ++r) statistics.row_weights.push_back(static_cast<float>((r * 37) % kRows + 1));
  return statistics;
}

Result<tensor::Weight> solved(const tensor::Weight& source, const TensorPlan& plan, SolveReport& report,
                              const ParameterStatistics* statistics, int threads = 2) {
  ThreadPool pool(threads);
  SolveInput input;
  input.source = &source;
  input.plan = &plan;
  input.statistics = statistics;
  input.pool = &pool;
  return solve(input, report);
}

TEST(Solve, PlainCastsReportWhatTheyLose) {
  const tensor::Weight source = weight_of("f32", sample_weights(kRows, kCols, 5));
  const ParameterStatistics statistics = sample_statistics();
  double last = 1e9;
  for (const char* format : {"e4m3fn", "bf16", "f32"}) {
    const TensorPlan plan{"x", {kRows, kCols}, {{format_of(format), kRows, false, ""}}};
    SolveReport report;
    const auto weight = solved(source, plan, report, &statistics);
    ASSERT_TRUE(weight.ok()) << weight.message();
    const auto before = tensor::dequantize(source), after = tensor::dequantize(*weight);
    double squared = 0.0, norm = 0.0;
    for (size_t i = 0; i < before.size(); ++i) {
      squared += std::pow(static_cast<double>(before[i]) - static_cast<double>(after[i]), 2.0);
      norm += static_cast<double>(before[i]) * static_cast<double>(before[i]);
    }
    EXPECT_NEAR(report.relative_error, squared / norm, 1e-9);
    EXPECT_LT(report.loss, last);
    if (std::string(format) == "f32") EXPECT_EQ(report.loss, 0.0);
    last = report.loss;
  }
}

// Some divisions of a parameter keep the source's codes: the values are those of the source, row for row.
TEST(Solve, DivisionsThatAreKeptHoldTheSourcesValues) {
  const ParameterStatistics statistics = sample_statistics();
  const tensor::Weight wide = weight_of("f32", sample_weights(kRows, kCols, 6));
  for (const char* format : {"f32", "f16", "int4/32:f16", "uint3/24:bf16+zp", "e2m1/16:e4m3fn/tensor:f32"}) {
    const TensorPlan whole{"x", {kRows, kCols}, {{format_of(format), kRows, false, "nearest"}}};
    SolveReport report;
    const auto source = solved(wide, whole, report, &statistics);
    ASSERT_TRUE(source.ok()) << source.message();
    const TensorPlan plan{
        "x", {kRows, kCols}, {{format_of(format), 48, true, ""}, {format_of("int8/32:f16"), 52, false, "nearest"}}};
    const auto weight = solved(*source, plan, report, &statistics);
    ASSERT_TRUE(weight.ok()) << weight.message();
    ASSERT_TRUE(tensor::check_weight(*weight).ok());
    EXPECT_EQ(weight->row_order, importance_order(statistics));
    const auto before = tensor::dequantize(*source), after = tensor::dequantize(*weight);
    for (int64_t i = 0; i < 48; ++i) {
      const int64_t row = weight->row_order[static_cast<size_t>(i)];
      for (int64_t c = 0; c < kCols; ++c) {
        const auto at = static_cast<size_t>(row * kCols + c);
        ASSERT_EQ(before[at], after[at]) << format << " row " << row;
      }
    }
  }
}

TEST(Solve, WeightsThatAreNotFiniteAreAnErrorThatNamesTheRow) {
  for (const float value : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    std::vector<float> values = sample_weights(kRows, kCols, 7);
    values[static_cast<size_t>(17 * kCols + 3)] = value;
    const tensor::Weight source = weight_of("f32", values);
    ThreadPool pool(2);
    EXPECT_EQ(check_finite(source, pool).message(), "row 17 holds a weight that is not finite");
    for (const char* format : {"int4/32:f16", "bf16", "e2m1/16:e4m3fn/tensor:f32"}) {
      const TensorPlan plan{"x", {kRows, kCols}, {{format_of(format), kRows, false, "nearest"}}};
      SolveReport report;
      const auto weight = solved(source, plan, report, nullptr);
      ASSERT_FALSE(weight.ok());
      EXPECT_EQ(weight.message(), "row 17 holds a weight that is not finite");
    }
    // A picture of such weights leaves them out.
    const TensorPlan plan{"x", {kRows, kCols}, {{format_of("int4/32:f16"), kRows, false, "nearest"}}};
    SolveReport report;
    const auto other = solved(weight_of("f32", sample_weights(kRows, kCols, 7)), plan, report, nullptr);
    const GridHistogram histogram = grid_histogram(source, *other, kRows, 16);
    uint64_t sum = 0;
    for (const uint64_t n : histogram.counts) sum += n;
    EXPECT_EQ(sum, static_cast<uint64_t>(kRows * kCols - 1));
  }
}

TEST(Solve, ImportanceThatIsNoNumberComesLast) {
  ParameterStatistics statistics;
  statistics.row_weights = {1.0f, std::nanf(""), 3.0f, std::nanf(""), 2.0f};
  EXPECT_EQ(importance_order(statistics), (std::vector<int32_t>{2, 4, 0, 1, 3}));
}

}  // namespace
}  // namespace lowbit::quant

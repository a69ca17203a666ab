#include "quant/round/gptq.h"

#include <gtest/gtest.h>

#include "quant/round/nearest.h"
#include "quant/round/samples_for_test.h"

namespace lowbit::quant {
namespace {

// Solved by hand. Format int4 (scale 1), w = (1.4, 2.2, -0.6), no damping, and
//       | 2.5 1 1 |                            | 1 1/2 1/4 |
//   H = |  1  2 2 | = R diag(2, 1, 4) R^T, R = | 0  1  1/2 | , R^-1 = ((1, -1/2, 0), (0, 1, -1/2), (0, 0, 1)).
//       |  1  2 4 |                            | 0  0   1  |
// GPTQ's U is diag(d)^-1/2 R^-1: column 0 rounds to 1, its error 0.4 adds 0.4 * 1/2 to column 1 and nothing to
// column 2; column 1 is 2.4, rounds to 2, error 0.4, adds 0.2 to column 2: -0.4, rounds to 0.
// Error e = (0.4, 0.2, -0.6): 2 * 0.4^2 + 1 * 0.4^2 + 4 * 0.4^2 = 1.12. Nearest is (1, 2, -1):
// e R = (0.4, 0.4, 0.6), 2 * 0.16 + 0.16 + 4 * 0.36 = 1.92.
// By falling diagonal the order is column 2, 0, 1. The last visited has d = 2 and R = (1, 1/2) above it; what remains
// is ((4, 1), (1, 2.5)) - 2 (1, 1/2)^T (1, 1/2) = diag(2, 2). Column 2 rounds to -1 (error 0.4), column 0 to 1
// (error 0.4), column 1 is 2.2 + 0.4 + 0.2 = 2.8, rounds to 3. Error 2 * (0.16 + 0.16 + 0.04) = 0.72.
const std::vector<float> kHandMoments = {2.5f, 1, 1, 1, 2, 2, 1, 2, 4};
const std::vector<float> kHandWeights = {1.4f, 2.2f, -0.6f};

TEST(Gptq, AgreesWithTheHandSolvedCase) {
  ThreadPool threads(1);
  const auto format = format_of("int4");
  MethodInput in = input_of(format, kHandWeights, 1, kHandMoments, threads);
  in.options.damping = 0;
  in.options.descent_sweeps = 0;
  in.options.act_order = false;
  const auto nearest = solve_nearest(in);
  ASSERT_TRUE(nearest.ok());
  EXPECT_EQ(nearest->codes.codes, (std::vector<uint16_t>{1, 2, 15}));
  EXPECT_NEAR(nearest->weighted_error[0], 1.92, 1e-5);
  EXPECT_NEAR(nearest->squared_error[0], 0.36, 1e-6);
  const auto natural = solve_gptq(in);
  ASSERT_TRUE(natural.ok());
  EXPECT_EQ(natural->codes.codes, (std::vector<uint16_t>{1, 2, 0}));
  EXPECT_NEAR(natural->weighted_error[0], 1.12, 1e-5);
  EXPECT_EQ(natural->failed_factorizations, 0);
  in.options.act_order = true;
  const auto ordered = solve_gptq(in);
  ASSERT_TRUE(ordered.ok());
  EXPECT_EQ(ordered->codes.codes, (std::vector<uint16_t>{1, 3, 15}));
  EXPECT_NEAR(ordered->weighted_error[0], 0.72, 1e-5);
}

TEST(GptqFactor, HasTheHandSolvedTriangle) {
  const auto factor = GptqFactor::make(kHandMoments, 3, 0, false);
  ASSERT_TRUE(factor.ok());
  const std::vector<float> triangle = {1, 0.5f, 0.25f, 0, 1, 0.5f, 0, 0, 1};
  const double mean = 8.5 / 3;
  for (size_t i = 0; i < 9; ++i) EXPECT_NEAR(factor->triangle()[i], triangle[i], 1e-6);
  EXPECT_NEAR(factor->pivots()[0] * mean, 2, 1e-6);
  EXPECT_NEAR(factor->pivots()[1] * mean, 1, 1e-6);
  EXPECT_NEAR(factor->pivots()[2] * mean, 4, 1e-6);
}

TEST(GptqFactor, RankDeficientMomentsAreReported) {
  const int64_t cols = 24;
  const auto moments = sample_moments(cols, 5, 3);  // rank 5
  const auto undamped = GptqFactor::make(moments, cols, 0, true);
  ASSERT_TRUE(undamped.ok());
  EXPECT_GE(undamped->failures(), 1);
  EXPECT_GT(undamped->damping(), 0);
  const auto damped = GptqFactor::make(moments, cols, 0.01, true);
  ASSERT_TRUE(damped.ok());
  EXPECT_EQ(damped->failures(), 0);
  EXPECT_EQ(damped->damping(), 0.01);

  // Far from positive definite: eigenvalues 1 + 3 and 1 - 3. Damping 0.01, 0.1, 1 fail, 10 does it.
  const std::vector<float> indefinite = {1, 3, 3, 1};
  const auto raised = GptqFactor::make(indefinite, 2, 0.01, true);
  ASSERT_TRUE(raised.ok());
  EXPECT_EQ(raised->failures(), 3);
  EXPECT_NEAR(raised->damping(), 10, 1e-9);
  EXPECT_FALSE(GptqFactor::make(std::vector<float>{1, NAN, NAN, 1}, 2, 0.01, true).ok());

  ThreadPool threads(1);
  const auto format = format_of("int4/8:f16");
  const auto weights = sample_weights(3, cols, 1);
  MethodInput in = input_of(format, weights, 3, moments, threads);
  in.options.damping = 0;
  const auto out = solve_gptq(in);
  ASSERT_TRUE(out.ok());
  EXPECT_GE(out->failed_factorizations, 1);
  EXPECT_GT(out->damping, 0);
}

TEST(Gptq, DeadColumnsAreRoundedToNearest) {
  const int64_t cols = 40, rows = 5;
  ThreadPool threads(1);
  auto moments = sample_moments(cols, 200, 3);
  for (int64_t i = 0; i < cols; ++i)
    moments[static_cast<size_t>(7 * cols + i)] = moments[static_cast<size_t>(i * cols + 7)] = 0;
  const auto weights = sample_weights(rows, cols, 1);
  const auto format = format_of("int6/20:f32");
  const MethodInput in = input_of(format, weights, rows, moments, threads);
  const auto out = solve_gptq(in);
  ASSERT_TRUE(out.ok());
  EXPECT_EQ(out->dead_columns, 1);
  const auto values = packed_values(format, *out, rows, cols);
  for (int64_t r = 0; r < rows; ++r) {
    const auto at = static_cast<size_t>(r * cols + 7);
    const float scale = std::fabs(bits_float(out->codes.scales[0][static_cast<size_t>(r * 2)]));
    EXPECT_LE(std::fabs(values[at] - weights[at]), 0.5001f * scale);
  }
  // All dead: nearest rounding, nothing fails.
  std::fill(moments.begin(), moments.end(), 0.0f);
  const auto none = solve_gptq(in);
  ASSERT_TRUE(none.ok());
  EXPECT_EQ(none->dead_columns, cols);
  EXPECT_EQ(total(none->weighted_error), 0);
}

TEST(Gptq, BeatsNearestInTheErrorItMinimizes) {
  const int64_t cols = 144, rows = 24;
  ThreadPool threads(2);
  const auto moments = sample_moments(cols, 600, 9);
  const auto weights = sample_weights(rows, cols, 4);
  for (const char* name : {"int4/32:f16",
                           "int4/128:f16+zp",
                           "uint4/32:f16+f16",
                           "int3/64:f16",
                           "int2/32:f16",
                           "q4_k",
                           "q6_k",
                           "mxfp4",
                           "mxfp6",
                           "nvfp4",
                           "nf4/64:f16",
                           "ternary/32:f16",
                           "e4m3fn/32:f16",
                           "int8/row:f32",
                           "e2m1/16:ue5m3",
                           "q4_0",
                           "q4_1",
                           "q8_0",
                           "mxint8",
                           "mxfp8",
                           "binary/16:f16"}) {
    const auto format = format_of(name);
    for (const ScaleSearch search : {ScaleSearch::amax, ScaleSearch::error}) {
      MethodInput in = input_of(format, weights, rows, moments, threads);
      in.options.scales.search = search;
      const auto nearest = solve_nearest(in);
      ASSERT_TRUE(nearest.ok()) << name << nearest.message();
      const auto gptq = solve_gptq(in);
      ASSERT_TRUE(gptq.ok()) << name << gptq.message();
      const double n = total(nearest->weighted_error), g = total(gptq->weighted_error);
      EXPECT_LT(g, 0.9 * n) << name;
      // Coordinate descent only lowers the damped error, so the undamped one hardly rises.
      in.options.descent_sweeps = 0;
      const double plain = total(solve_gptq(in)->weighted_error);
      EXPECT_LT(g, plain) << name;
    }
  }
}

TEST(Gptq, BlocksChangeOnlyRounding) {
  const int64_t cols = 100, rows = 8;
  ThreadPool threads(1);
  const auto moments = sample_moments(cols, 300, 9);
  const auto weights = sample_weights(rows, cols, 4);
  const auto format = format_of("int4/32:f16");
  MethodInput in = input_of(format, weights, rows, moments, threads);
  in.options.descent_sweeps = 0;
  in.options.block = 1;
  const double one = total(solve_gptq(in)->weighted_error);
  in.options.block = 1000;
  const double all = total(solve_gptq(in)->weighted_error);
  EXPECT_NEAR(one, all, 0.02 * one);
}

}  // namespace
}  // namespace lowbit::quant

#include "quant/round/rtn.h"

#include <gtest/gtest.h>

#include "quant/round/nearest.h"
#include "quant/round/samples_for_test.h"

namespace lowbit::quant {
namespace {

// By hand, fp4 (largest value 6) with one fp32 scale per row:
//   (6, 2.4, -0.7):  scale 1,   codes of 6, 2, -0.5        errors 0, 0.4, -0.2
//   (-3, 1.3, 0.3):  scale 0.5, w / s = (-6, 2.6, 0.6) -> -6, 3, 0.5: values -3, 1.5, 0.25, errors 0, -0.2, 0.05
//   (0, 0, 0):       scale 0
TEST(Rtn, AgreesWithTheHandSolvedCase) {
  ThreadPool threads(1);
  const auto format = format_of("e2m1/row:f32");
  const std::vector<float> weights = {6.0f, 2.4f, -0.7f, -3.0f, 1.3f, 0.3f, 0.0f, 0.0f, 0.0f};
  MethodInput in = input_of(format, weights, 3, {}, threads);
  const auto out = solve_rtn(in);
  ASSERT_TRUE(out.ok()) << out.message();
  EXPECT_NEAR(out->squared_error[0], 0.2, 1e-6);
  EXPECT_NEAR(out->squared_error[1], 0.0425, 1e-6);
  EXPECT_EQ(out->squared_error[2], 0.0);
}

TEST(Rtn, ASearchForScalesIsNeverWorse) {
  ThreadPool threads(2);
  Rng rng(4);
  std::vector<float> weights(64 * 128);
  for (float& w : weights) w = static_cast<float>(rng.normal());
  for (const char* name : {"int3/32", "nf4/64", "mxfp4", "uint4/32:f16+zp"}) {
    const auto format = format_of(name);
    MethodInput in = input_of(format, weights, 64, {}, threads);
    const auto plain = solve_rtn(in), searched = solve_nearest(in);
    ASSERT_TRUE(plain.ok() && searched.ok());
    double a = 0, b = 0;
    for (size_t r = 0; r < 64; ++r) {
      a += plain->squared_error[r];
      b += searched->squared_error[r];
    }
    EXPECT_GT(a, b) << name;
  }
}

}  // namespace
}  // namespace lowbit::quant

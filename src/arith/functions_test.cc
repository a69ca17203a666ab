#include "arith/functions.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/rng.h"

namespace lowbit {
namespace {

TEST(Functions, ExpIsWithinTwoUlpOfTheExactValue) {
  for (int i = -86000; i <= 87900; i += 7) {
    const float x = static_cast<float>(i) * 1e-3f;
    const double exact = std::exp(static_cast<double>(x));
    const double ulp = std::ldexp(1.0, std::ilogb(exact) - 23);
    EXPECT_LT(std::fabs(arith::exp(x) - exact), 2 * ulp) << x;
  }
  EXPECT_EQ(arith::exp(0.0f), 1.0f);
  EXPECT_EQ(arith::exp(-1000.0f), 0.0f);
  EXPECT_EQ(arith::exp(std::nextafter(-87.0f, -88.0f)), 0.0f);
  EXPECT_GE(arith::exp(-87.0f), std::numeric_limits<float>::min());
  EXPECT_EQ(arith::exp(1000.0f), arith::exp(88.0f));
}

TEST(Functions, CoarseExp2IsFarBelowAStepOfEightBits) {
  for (int i = -99990; i <= 1000; ++i) {
    const float t = static_cast<float>(i) * 1e-3f;
    EXPECT_NEAR(arith::coarse_exp2(t) / std::exp2(static_cast<double>(t)), 1.0, 8e-5) << t;
  }
  const float least = arith::coarse_exp2(-100.0f);
  EXPECT_NEAR(least, 0x1p-100f, 0x1p-100f * 8e-5f);
  EXPECT_EQ(arith::coarse_exp2(-1000.0f), least);
  EXPECT_EQ(arith::coarse_exp2(-INFINITY), least);
  EXPECT_EQ(arith::coarse_exp2(NAN), least);
}

TEST(Functions, TanhIsWithinTwoUlpOfTheExactValue) {
  for (int i = -120000; i <= 120000; i += 7) {
    const float x = static_cast<float>(i) * 1e-4f;
    const double exact = std::tanh(static_cast<double>(x));
    const double ulp = std::ldexp(1.0, std::ilogb(exact == 0.0 ? 1e-30 : exact) - 23);
    EXPECT_LE(std::fabs(static_cast<double>(arith::tanh(x)) - exact), 2 * ulp) << x;
  }
  EXPECT_EQ(arith::tanh(1000.0f), 1.0f);
  EXPECT_EQ(arith::tanh(-1000.0f), -1.0f);
  EXPECT_EQ(arith::tanh(1e-30f), 1e-30f);
}

TEST(Functions, GeluAndSoftcapAgainstLibm) {
  for (int i = -30000; i <= 30000; i += 3) {
    const float x = static_cast<float>(i) * 1e-3f;
    const auto d = static_cast<double>(x);
    const double u = std::sqrt(2.0 / 3.14159265358979324) * (d + 0.044715 * d * d * d);
    const double unit = 1.2e-7 * std::max(1.0, std::fabs(d));
    EXPECT_NEAR(arith::gelu_tanh(x), 0.5 * d * (1.0 + std::tanh(u)), 2 * unit) << x;
    EXPECT_NEAR(arith::normal_cdf(x), 0.5 * std::erfc(-d / std::sqrt(2.0)), 1.5e-7) << x;
    EXPECT_NEAR(arith::gelu_erf(x), 0.5 * d * std::erfc(-d / std::sqrt(2.0)), unit) << x;
    EXPECT_NEAR(arith::softcap(x, 5.0f), 5.0 * std::tanh(d / 5.0), 1e-6) << x;
  }
}

TEST(Functions, DoubleTablesAgreeWithLibm) {
  Rng rng(7);
  for (int i = 0; i < 20000; ++i) {
    const double angle = rng.uniform() * 40000.0;
    EXPECT_NEAR(arith::sin(angle), std::sin(angle), 2e-12) << angle;
    EXPECT_NEAR(arith::cos(angle), std::cos(angle), 2e-12) << angle;
    const double x = rng.uniform() * 1e6 + 1e-9;
    EXPECT_NEAR(arith::log2(x), std::log2(x), 1e-13 * (1 + std::fabs(std::log2(x))));
    const double y = (rng.uniform() - 0.5) * 80.0;
    EXPECT_NEAR(arith::exp2(y) / std::exp2(y), 1.0, 1e-14);
  }
}

}  // namespace
}  // namespace lowbit

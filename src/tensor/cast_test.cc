#include "tensor/cast.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <vector>

#include "base/rng.h"

namespace lowbit::tensor {
namespace {

formats::Format format(const char* text) { return formats::parse_format(text).value(); }

std::vector<float> cast(const char* text, const std::vector<float>& x) {
  std::vector<float> out(x.size());
  cast_row(format(text), static_cast<int64_t>(x.size()), x.data(), out.data());
  return out;
}

TEST(Cast, PlainValuesAreRoundedOneByOne) {
  EXPECT_EQ(cast("bf16", {1.0f, 1.00390625f, 1.01171875f, -3.1415926f}),
            (std::vector<float>{1.0f, 1.0f, 1.015625f, -3.140625f}));
  EXPECT_EQ(cast("e4m3fn", {500.0f, -1e9f, 0.0f, 17.0f}), (std::vector<float>{448.0f, -448.0f, 0.0f, 16.0f}));
  EXPECT_EQ(cast("f32", {1e-40f, 3.0f}), (std::vector<float>{1e-40f, 3.0f}));
}

// Worked by hand: amax 6 over the largest value 7 (int4: 7) rounded to the scale's format, then nearest even.
TEST(Cast, GroupsHaveScalesOfTheirOwn) {
  const std::vector<float> got = cast("int4/4:f32", {7.0f, 3.4f, -7.0f, 0.5f, 14.0f, 1.0f, 3.0f, -2.9f});
  EXPECT_EQ(got, (std::vector<float>{7.0f, 3.0f, -7.0f, 0.0f, 14.0f, 0.0f, 4.0f, -2.0f}));
}

TEST(Cast, PowerOfTwoScalesNeverSaturate) {
  Rng rng(3);
  for (int i = 0; i < 200; ++i) {
    std::vector<float> x(32);
    for (float& v : x) v = static_cast<float>(rng.normal() * 10.0);
    const std::vector<float> got = cast("e2m1/32:e8m0", x);
    float amax = 0.0f;
    for (const float v : x) amax = std::max(amax, std::fabs(v));
    const float scale = std::exp2(std::ceil(std::log2(amax / 6.0f)));
    for (size_t j = 0; j < x.size(); ++j) {
      // The nearest of the grid: no other value is nearer.
      for (const float g : {0.0f, 0.5f, 1.0f, 1.5f, 2.0f, 3.0f, 4.0f, 6.0f}) {
        EXPECT_LE(std::fabs(got[j] - x[j]), std::fabs(std::copysign(g * scale, x[j]) - x[j]) + 1e-6f);
      }
    }
  }
}

TEST(Cast, EmptyAndTinyGroupsBecomeZero) {
  for (const char* text : {"int8/32:f32", "e4m3fn/32:e8m0", "int8/row:f16"}) {
    EXPECT_EQ(cast(text, std::vector<float>(40, 0.0f)), std::vector<float>(40, 0.0f)) << text;
  }
  EXPECT_EQ(cast("int8/32:f32", {1e-38f, -1e-38f}), (std::vector<float>{0.0f, 0.0f}));
}

// Codes and scales say what cast_row says, also at ties, beyond the range and where numbers are none.
TEST(Cast, CodesAndScalesGiveTheValuesOfCastRow) {
  Rng rng(11);
  for (const char* text : {"int8", "int8/32:f16", "int8/row:f32", "int5/10:bf16", "int4/4:f16", "int3/16:f32",
                           "int2/7:e8m0", "e4m3fn", "e5m2", "e2m1/32:e8m0", "nf4/16:f16", "int8sym/32:f32"}) {
    const formats::Format f = format(text);
    std::vector<float> x(150);
    for (float& v : x) {
      v = static_cast<float>(rng.normal() * 40.0);
      if (rng.below(3) == 0) v = 0.5f * static_cast<float>(rng.below(300));
      if (rng.below(20) == 0) v *= 1e-37f;
    }
    x[40] = INFINITY;
    x[90] = NAN;
    x[91] = -INFINITY;
    const auto cols = static_cast<int64_t>(x.size());
    const int64_t group = f.is_plain() || f.levels[0].group < 0 ? cols : f.levels[0].group;
    const std::vector<float> expected = cast(text, x);
    std::vector<uint8_t> codes(x.size());
    std::vector<float> scales(x.size(), 1.0f);
    encode_row(f, cols, x.data(), codes.data(), scales.data());
    for (size_t i = 0; i < x.size(); ++i) {
      const float value = f.element.decode(codes[i]);
      const float got = f.is_plain() ? value : value * scales[i / static_cast<size_t>(group)];
      EXPECT_TRUE(std::bit_cast<uint32_t>(got) == std::bit_cast<uint32_t>(expected[i]) ||
                  (std::isnan(got) && std::isnan(expected[i])))
          << text << ", " << i << ": " << got << " and " << expected[i];
    }
  }
}

TEST(Cast, WhatNeedsASearchIsRefused) {
  EXPECT_TRUE(check_castable(format("int8/32:f32")).ok());
  EXPECT_TRUE(check_castable(format("bf16")).ok());
  for (const char* text : {"q4_1", "int4/128:f16+zp", "q4_k", "nvfp4", "e4m3fn/128x128:f32"}) {
    EXPECT_FALSE(check_castable(format(text)).ok()) << text;
  }
}

// Their scale would be amax over a largest value of 0, or half of what comes would become 0.
TEST(Cast, ElementsOfOneSignAreRefused) {
  for (const char* text : {"int1/32:f32", "uint4/32:f32", "uint8", "ue5m3", "e8m0"}) {
    const Status status = check_castable(format(text));
    ASSERT_FALSE(status.ok()) << text;
    EXPECT_NE(status.message().find("both signs"), std::string::npos) << status.message();
  }
  for (const char* text : {"ternary/32:f32", "nf4/32:f32", "int2/row:f16", "e2m1/32:e8m0"}) {
    EXPECT_TRUE(check_castable(format(text)).ok()) << text;
  }
}

}  // namespace
}  // namespace lowbit::tensor

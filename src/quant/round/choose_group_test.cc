#include "quant/round/choose_group.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "quant/round/samples_for_test.h"

namespace lowbit::quant {
namespace {

// One row of one group or more through ScalePlan; codes and scale codes by the public road.
MethodOutput amax_row(const formats::Format& format, const std::vector<float>& row) {
  ThreadPool threads(1);
  const std::vector<float> none;
  MethodInput in = input_of(format, row, 1, none, threads);
  in.options.scales.search = ScaleSearch::amax;
  return *find_method("nearest")->solve(in);
}

std::vector<float> ramp(float extreme) {  // 32 values, the extreme at place 5
  std::vector<float> out;
  for (int i = 0; i < 32; ++i) out.push_back(static_cast<float>(i % 7 - 3) * 0.1f);
  out[5] = extreme;
  return out;
}

float f16(uint32_t code) { return format_of("f16").element.decode(code); }

// ggml's rule: d = (signed extreme) / -8, so that the extreme has code -8 exactly.
TEST(AmaxRules, Q4_0PutsTheSignedExtremeOnTheNegativeEnd) {
  for (const float extreme : {1.5f, -1.5f}) {
    const auto out = amax_row(format_of("q4_0"), ramp(extreme));
    EXPECT_EQ(f16(out.codes.scales[0][0]), extreme / -8.0f);
    EXPECT_EQ(out.codes.codes[5], 8);  // two's complement -8 in four bits
    // 0.3 / (1.5 / 8) = 1.6: code 2 or -2.
    EXPECT_EQ(out.codes.codes[6], extreme < 0 ? 2 : 14);
  }
}

TEST(AmaxRules, Q8_0PutsTheLargestMagnitudeOn127) {
  const auto out = amax_row(format_of("q8_0"), ramp(-12.7f));
  EXPECT_NEAR(f16(out.codes.scales[0][0]), 0.1f, 0.1f / 2048);
  EXPECT_EQ(out.codes.codes[5], 256 - 127);
  EXPECT_EQ(out.codes.codes[6], 3);
}

TEST(AmaxRules, Q4_1SpansLeastToMost) {
  const auto out = amax_row(format_of("q4_1"), ramp(1.2f));  // -0.3 to 1.2: step 0.1
  EXPECT_NEAR(f16(out.codes.scales[0][0]), 0.1f, 1e-4f);
  EXPECT_NEAR(f16(out.codes.minimums[0][0]), -0.3f, 2e-4f);
  EXPECT_EQ(out.codes.codes[5], 15);
  EXPECT_EQ(out.codes.codes[0], 0);
  EXPECT_EQ(out.codes.codes[6], 6);
}

// OCP MX 1.0: shared exponent floor(log2(amax)) - 2 for e2m1; e8m0 code = exponent + 127.
TEST(AmaxRules, Mxfp4WithThreshold8IsTheFloorOfOcp) {
  const ElementGrid grid(format_of("e2m1").element);
  Rng rng(3);
  for (int i = 0; i < 2000; ++i) {
    double amax = std::ldexp(1 + rng.uniform(), static_cast<int>(rng.below(40)) - 20);
    if (i % 10 == 0) amax = std::ldexp(1.0, static_cast<int>(rng.below(40)) - 20);
    if (i % 10 == 1) amax = std::ldexp(1.75, static_cast<int>(rng.below(40)) - 20);
    const int floor = std::ilogb(amax) - 2;
    EXPECT_EQ(power_of_two_scale(grid, amax, 8), std::ldexp(1.0f, floor));
    // Never clips: the least X with amax <= 6 X.
    const float never = power_of_two_scale(grid, amax, 6);
    EXPECT_LE(amax, 6 * static_cast<double>(never));
    EXPECT_GT(amax, 3 * static_cast<double>(never));
    // Default 7.25: above 7.25 / 8 of a binade the exponent goes up.
    const double mantissa = amax / std::ldexp(1.0, std::ilogb(amax));
    EXPECT_EQ(power_of_two_scale(grid, amax, std::nullopt), std::ldexp(1.0f, floor + (mantissa > 7.25 / 4 ? 1 : 0)));
  }
  const auto out = amax_row(format_of("mxfp4"), ramp(5.0f));  // floor(log2 5) - 2 = 0
  EXPECT_EQ(out.codes.scales[0][0], 127u);
  EXPECT_EQ(out.codes.codes[5], 6);  // 5 is a tie of 4 (110) and 6 (111): even mantissa
}

TEST(AmaxRules, PowerOfTwoDefaultsOfOtherElements) {
  // e4m3fn: 448 + 0.625 * 32 = 468; int8 as fix8.6: (127 + 0.625) / 64.
  EXPECT_EQ(power_of_two_scale(ElementGrid(format_of("e4m3fn").element), 468, std::nullopt), 1.0f);
  EXPECT_EQ(power_of_two_scale(ElementGrid(format_of("e4m3fn").element), 468.1, std::nullopt), 2.0f);
  EXPECT_EQ(power_of_two_scale(ElementGrid(format_of("fix8.6").element), 127.6 / 64, std::nullopt), 1.0f);
  EXPECT_EQ(power_of_two_scale(ElementGrid(format_of("fix8.6").element), 127.7 / 64, std::nullopt), 2.0f);
}

// NVFP4: tensor scale amax / (448 * 6), block scale e4m3(block amax / 6 / tensor scale).
TEST(AmaxRules, Nvfp4HasTheTensorAndBlockScalesOfItsDefinition) {
  const auto format = format_of("nvfp4");
  std::vector<float> row(64);
  for (size_t i = 0; i < 64; ++i) row[i] = (i % 2 == 0 ? 1.0f : -1.0f) * static_cast<float>(i + 1) / 10;
  const auto out = amax_row(format, row);
  const float tensor = bits_float(out.codes.scales[1][0]);
  EXPECT_FLOAT_EQ(tensor, 6.4f / (448 * 6));
  const auto& e4m3 = format.levels[0].scale;
  for (size_t block = 0; block < 4; ++block) {
    const double amax = static_cast<double>(block * 16 + 16) / 10;
    EXPECT_EQ(out.codes.scales[0][block], formats::encode(e4m3, amax / 6 / static_cast<double>(tensor)));
  }
}

TEST(AmaxRules, ZeroPointIncludesZeroAndSpansTheRange) {
  const auto out = amax_row(format_of("uint4/32:f32+zp"), ramp(1.2f));  // -0.3 to 1.2, step 0.1, zero at 3
  EXPECT_NEAR(bits_float(out.codes.scales[0][0]), 0.1f, 1e-6f);
  EXPECT_EQ(out.codes.minimums[0][0], 3u);
  EXPECT_EQ(out.codes.codes[5], 15);
  EXPECT_EQ(out.codes.codes[3], 3);
}

// Brute force: 1500 f16 scales of both signs with the nearest codes, by formats::encode.
double best_f16_error(const formats::Format& format, const std::vector<float>& x, const std::vector<float>& h) {
  double best = 1e30;
  for (int i = 0; i < 3000; ++i) {
    const double s = (i % 2 == 0 ? 0.3 : -0.3) * std::pow(0.997, i / 2);
    double error = 0;
    for (size_t k = 0; k < x.size(); ++k) {
      const double q = s * format.element.decode(formats::encode(format.element, static_cast<double>(x[k]) / s));
      error += static_cast<double>(h[k]) * (static_cast<double>(x[k]) - q) * (static_cast<double>(x[k]) - q);
    }
    best = std::min(best, error);
  }
  return best;
}

TEST(ErrorSearch, ComesNearTheBestOfAllScales) {
  ThreadPool threads(1);
  const std::vector<float> none;
  for (const char* name :
       {"int4/32:f16", "int2/32:f16", "e2m1/32:f16", "nf4/32:f16", "ternary/32:f16", "int3/32:f16"}) {
    const auto format = format_of(name);
    double found = 0, best = 0;
    for (uint64_t seed = 0; seed < 6; ++seed) {
      const auto x = sample_weights(1, 32, 100 + seed);
      Rng rng(seed);
      std::vector<float> h(32);
      for (float& v : h) v = static_cast<float>(0.2 + rng.uniform());
      MethodInput in = input_of(format, x, 1, none, threads);
      in.importance = h;
      const double error = find_method("nearest")->solve(in)->weighted_error[0];
      const double least = best_f16_error(format, x, h);
      EXPECT_GE(error, 0.97 * least) << name;
      EXPECT_LE(error, 1.4 * least) << name << " seed " << seed;
      found += error;
      best += least;
    }
    EXPECT_LE(found, 1.08 * best) << name;
  }
}

TEST(ErrorSearch, IsNoWorseThanAmaxForAnyFormat) {
  ThreadPool threads(1);
  const std::vector<float> none;
  const auto weights = sample_weights(4, 96, 2);
  for (const auto& alias : formats::aliases()) {
    const auto format = format_of(alias.meaning);
    if (format.element.bits > 16) continue;
    MethodInput in = input_of(format, weights, 4, none, threads);
    in.options.scales.search = ScaleSearch::amax;
    const double amax = total(find_method("nearest")->solve(in)->weighted_error);
    in.options.scales.search = ScaleSearch::error;
    const double error = total(find_method("nearest")->solve(in)->weighted_error);
    EXPECT_LE(error, amax * 1.0001) << alias.name;
  }
}

}  // namespace
}  // namespace lowbit::quant

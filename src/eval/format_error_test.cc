#include "eval/format_error.h"

#include <gtest/gtest.h>

#include <cmath>

#include "eval/format_advice.h"
#include "formats/array.h"

namespace lowbit::eval {
namespace {

formats::Format format(std::string_view text) { return formats::parse_format(text).value(); }

const Distribution& distribution(std::string_view name) {
  for (const Distribution& row : distributions()) {
    if (row.name == name) return row;
  }
  ADD_FAILURE() << name;
  return distributions()[0];
}

// Shares beyond some magnitudes, from tables of the distributions; 2^18 draws, 5 standard errors.
TEST(FormatError, DrawsFollowTheirDistributions) {
  struct Row {
    const char* name;
    double beyond_one, beyond_two;
  };
  // Student's t with 5 degrees: P(|t| > 1.29099) and P(|t| > 2.58199).
  const Row rows[] = {{"gaussian", 0.31731, 0.04550}, {"laplace", 0.24312, 0.05911}, {"student", 0.25315, 0.04932}};
  constexpr int64_t kCount = 1 << 18;
  for (const Row& row : rows) {
    const std::vector<float> x = draw(distribution(row.name), kCount, 11);
    double sum = 0, squares = 0, one = 0, two = 0;
    for (const float v : x) {
      ASSERT_TRUE(std::isfinite(v));
      sum += v;
      squares += static_cast<double>(v) * v;
      one += std::fabs(v) > 1 ? 1 : 0;
      two += std::fabs(v) > 2 ? 1 : 0;
    }
    const auto near = [&](double share, double p) {
      EXPECT_NEAR(share / kCount, p, 5 * std::sqrt(p / kCount)) << row.name;
    };
    EXPECT_NEAR(sum / kCount, 0.0, 5.0 / std::sqrt(kCount)) << row.name;
    EXPECT_NEAR(squares / kCount, 1.0, 0.03) << row.name;
    near(one, row.beyond_one);
    near(two, row.beyond_two);
    EXPECT_EQ(x, draw(distribution(row.name), kCount, 11));
    EXPECT_NE(x, draw(distribution(row.name), kCount, 12));
  }
}

// Slow and obvious: every block by itself, every number by encode().
double obvious_error(const formats::ElementFormat& f, const Samples& s, int64_t block, double top) {
  double error = 0, signal = 0;
  for (int64_t r = 0; r < s.rows; ++r) {
    for (int64_t c = 0; c < s.cols; c += block) {
      double amax = 0;
      for (int64_t i = c; i < std::min(s.cols, c + block); ++i) {
        amax = std::max(amax, std::fabs(static_cast<double>(s.values[static_cast<size_t>(r * s.cols + i)])));
      }
      for (int64_t i = c; i < std::min(s.cols, c + block); ++i) {
        const double x = s.values[static_cast<size_t>(r * s.cols + i)];
        const double q = amax == 0 ? 0 : f.decode(formats::encode(f, x * top / amax)) * amax / top;
        error += (x - q) * (x - q);
        signal += x * x;
      }
    }
  }
  return error / signal;
}

TEST(FormatError, AmaxScalesEqualTheObviousOnes) {
  ThreadPool pool(1), many(3);
  const std::vector<float> values = draw(distribution("laplace"), 50 * 70, 1);
  const Samples samples{values, 50, 70};  // the last block of each row is short
  for (const char* name : {"e2m1", "int8", "nf4", "e4m3fn", "posit8.0", "e5m2"}) {
    const formats::Format f = format(name);
    const double expected = obvious_error(f.element, samples, 32, f.element.max_value());
    const double got = relative_error(f, samples, {Scaling::amax, 32, &pool}).value();
    EXPECT_NEAR(got, expected, 1e-5 * expected) << name;
    EXPECT_EQ(got, relative_error(f, samples, {Scaling::amax, 32, &many}).value()) << name;
    const double best = relative_error(f, samples, {Scaling::mse, 32, &pool}).value();
    EXPECT_LT(best, got) << name;
    const double direct = relative_error(f, samples, {Scaling::none, 32, &pool}).value();
    EXPECT_GT(direct, best) << name;
  }
  // Wide elements are centred on 1.
  const formats::Format wide = format("posit8");
  const double got = relative_error(wide, samples, {Scaling::amax, 32, &pool}).value();
  EXPECT_NEAR(got, obvious_error(wide.element, samples, 32, 1.0), 1e-5 * got);
}

TEST(FormatError, BlockFormatsHaveScalesOfTheirOwn) {
  ThreadPool pool(1);
  const std::vector<float> values = draw(distribution("gaussian"), 64 * 256, 2);
  const Samples samples{values, 64, 256};
  const auto error = [&](const char* name, Scaling scaling) {
    return relative_error(format(name), samples, {scaling, 32, &pool}).value();
  };
  EXPECT_EQ(error("mxfp4", Scaling::amax), error("mxfp4", Scaling::none));
  EXPECT_LT(error("int4/32", Scaling::mse), error("int4/32", Scaling::amax));
  // An int8 scale per 32 against the plain element with a real scale: the same up to the rounding of scales.
  EXPECT_NEAR(error("int8/32:f32", Scaling::amax), error("int8", Scaling::amax), 0.02 * error("int8", Scaling::amax));
  EXPECT_EQ(relative_error(format("f32"), samples, {Scaling::none, 32, &pool}).value(), 0.0);
  EXPECT_EQ(sqnr_db(0.0), HUGE_VAL);
  EXPECT_NEAR(sqnr_db(0.001), 30.0, 1e-12);
  const std::vector<float> zeros(32);
  for (const Scaling scaling : {Scaling::amax, Scaling::mse, Scaling::none}) {
    EXPECT_EQ(relative_error(format("e2m1"), {zeros, 1, 32}, {scaling, 32, &pool}).value(), 0.0);
    EXPECT_EQ(relative_error(format("mxfp4"), {zeros, 1, 32}, {scaling, 32, &pool}).value(), 0.0);
  }
  EXPECT_EQ(relative_error(format("binary"), {zeros, 1, 32}, {Scaling::none, 32, &pool}).value(), HUGE_VAL);
  EXPECT_EQ(sqnr_db(HUGE_VAL), -HUGE_VAL);
}

TEST(FormatError, CrestFactors) {
  const std::vector<float> values = {3, 4, 0, 0, 1, -1, NAN, 0, 0, 0};
  const SampleFacts facts = facts_of({values, 2, 5}, 2);
  EXPECT_EQ(facts.elements, 10);
  EXPECT_EQ(facts.zeros, 5);
  EXPECT_EQ(facts.not_finite, 1);
  EXPECT_EQ(facts.amax, 4.0);
  EXPECT_DOUBLE_EQ(facts.rms, std::sqrt(27.0 / 10));
  EXPECT_DOUBLE_EQ(facts.crest, 4.0 / std::sqrt(27.0 / 10));
  // Blocks 3 4 | 0 0 | 1 and -1 NaN | 0 0 | 0: those that hold something are 3 4, 1, -1 0.
  EXPECT_DOUBLE_EQ(facts.block_crest, (4.0 / std::sqrt(12.5) + 1.0 + std::sqrt(2.0)) / 3);
}

TEST(FormatError, TrueBitsCountEveryScale) {
  EXPECT_EQ(true_bits(format("int4/32:f16"), 3, 64), 4.5);
  EXPECT_EQ(true_bits(format("int4/32:f16"), 3, 33), 4 + 32.0 / 33);
  EXPECT_EQ(true_bits(format("int4/row:f32"), 3, 64), 4.5);
  EXPECT_EQ(true_bits(format("uint4/32:f16+zp"), 1, 32), 4 + 20.0 / 32);
  EXPECT_EQ(true_bits(format("nvfp4"), 2, 16), 4.5 + 1.0);
  EXPECT_EQ(true_bits(format("mx6"), 3, 32), 6.0);
  EXPECT_EQ(true_bits(format("e4m3fn/128x128:f32"), 256, 256), 8 + 32.0 / (128 * 128));
  EXPECT_EQ(true_bits(format("e4m3fn/128x128:f32"), 130, 64), 8 + 2 * 32.0 / (130 * 64));
}

TEST(FormatAdvice, RanksByBitsAndError) {
  ThreadPool pool(2);
  const std::vector<float> values = draw(distribution("gaussian"), 16 * 256, 3);
  const Samples samples{values, 16, 256};
  const AdviceResult all = advise(samples, {{}, false, &pool, {}}).value();
  EXPECT_EQ(all.measured, 16 * 256);
  EXPECT_GT(all.ranked.size(), 80u);
  bool front = true;
  for (size_t i = 0; i < all.ranked.size(); ++i) {
    const Advice& a = all.ranked[i];
    EXPECT_LE(a.bits, 16.0);
    if (a.pareto) EXPECT_TRUE(front) << formats::print(a.format);
    front = a.pareto;
    bool beaten = false;
    for (const Advice& b : all.ranked) {
      beaten = beaten || (b.bits <= a.bits && b.relative_error < a.relative_error);
      beaten = beaten || (b.bits < a.bits && b.relative_error <= a.relative_error);
    }
    if (a.pareto) EXPECT_FALSE(beaten) << formats::print(a.format);
    EXPECT_NEAR(a.relative_error, relative_error(a.format, samples, {Scaling::none, 32, &pool}).value(), 1e-15);
  }
  const AdviceResult few = advise(samples, {4.5, false, &pool, {}}).value();
  EXPECT_LT(few.ranked.size(), all.ranked.size());
  for (const Advice& a : few.ranked) EXPECT_LE(a.bits, 4.5);
  const AdviceResult searched = advise(samples, {4.5, true, &pool, {}}).value();
  EXPECT_EQ(searched.ranked.size(), few.ranked.size());
  for (const Advice& a : searched.ranked) {
    for (const Advice& b : few.ranked) {
      if (a.format == b.format) EXPECT_LE(a.relative_error, 1.02 * b.relative_error) << formats::print(a.format);
    }
  }
  // An int8 grid written exactly: nothing is lost where a scale can be 1.
  std::vector<float> whole(1024);
  for (size_t i = 0; i < whole.size(); ++i) whole[i] = static_cast<float>(i % 32 == 0 ? 127 : i % 100);
  const AdviceResult exact = advise({whole, 4, 256}, {{}, false, &pool, {}}).value();
  int q8_0 = 0;
  for (const Advice& a : exact.ranked) {
    if (formats::print(a.format) != "q8_0") continue;
    EXPECT_EQ(a.relative_error, 0.0);
    ++q8_0;
  }
  EXPECT_EQ(q8_0, 1);
}

}  // namespace
}  // namespace lowbit::eval

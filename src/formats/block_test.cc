// Blocks against the definition of block.h written out, and published rules on known blocks.
#include "formats/block.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "formats/encode_oracle.h"

namespace lowbit::formats {
namespace {

Format format(std::string_view text) {
  auto parsed = parse_format(text);
  EXPECT_TRUE(parsed.ok()) << parsed.message();
  return std::move(parsed).value();
}

// Blocks of very different sizes; some with specials in them.
std::vector<float> sample(Rng& rng, size_t count, bool specials) {
  std::vector<float> out(count);
  float size = 1;
  for (size_t i = 0; i < count; ++i) {
    if (i % 16 == 0) size = std::ldexp(1.0f, static_cast<int>(rng.below(60)) - 30);
    if (specials && i % 16 == 0 && rng.below(6) == 0) size = std::ldexp(1.0f, rng.below(2) == 0 ? -140 : 120);
    out[i] = static_cast<float>(rng.normal()) * size;
    if (rng.below(40) == 0) out[i] = std::ldexp(std::copysign(1.0f, out[i]), std::ilogb(out[i] == 0 ? 1.0f : out[i]));
    if (specials && rng.below(90) == 0) {
      const float all[] = {0.0f, -0.0f, std::nanf(""), HUGE_VALF, -HUGE_VALF, 3e38f, 1e-45f};
      out[i] = all[rng.below(std::size(all))];
    }
  }
  return out;
}

// The definition, block by block; the tensor scale is taken as given.
void check(const Format& f, std::span<const float> in, int64_t cols, const BlockOptions& options) {
  SCOPED_TRACE(fmt::format("{} {} {} {}", print(f), print_scale_rule(options.rule), isa_name(options.array.isa),
                           print_rounding(options.array.policy)));
  const Blocks got = encode_blocks(f, in, cols, options);
  std::vector<float> decoded(in.size()), cast(in.size());
  decode_blocks(f, got, decoded, options.array);
  cast_blocks(f, in, cols, cast, options);
  const ElementFormat& scale = f.levels[0].scale;
  const int64_t group = f.levels[0].group < 0 ? cols : std::min(cols, f.levels[0].group);
  const int64_t per_row = (cols + group - 1) / group;
  for (int64_t b = 0; b < static_cast<int64_t>(got.scales.size()); ++b) {
    const int64_t begin = b / per_row * cols + b % per_row * group;
    const int64_t end = std::min(begin + group, (b / per_row + 1) * cols);
    const auto block = in.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
    bool nan = false;
    for (const float x : block) nan = nan || std::isnan(x);
    const bool lost = nan && std::isnan(scale.decode(encode(scale, std::nan(""))));
    const uint32_t expected = lost ? encode(scale, std::nan("")) : choose_scale(f, block, got.tensor_scale, options);
    ASSERT_EQ(got.scales[static_cast<size_t>(b)], expected) << "block " << b;
    const float total = scale.decode(expected) * got.tensor_scale;
    for (int64_t i = begin; i < end; ++i) {
      const auto at = static_cast<size_t>(i);
      double q = static_cast<double>(in[at]) / static_cast<double>(total);
      if (lost || (total == 0 && std::isfinite(in[at]))) q = 0;
      const uint32_t code = encode(f.element, q, options.array.policy, random_word(options.array.seed, at));
      ASSERT_EQ(got.codes[at], code) << fmt::format("element {} x {:a} scale {:a}", i, in[at], total);
      const float v = f.element.decode(code) * total;
      ASSERT_TRUE(same(decoded[at], v)) << decoded[at] << " " << v;
      ASSERT_TRUE(same(cast[at], v)) << cast[at] << " " << v;
    }
  }
}

TEST(Block, EveryRuleAndInstructionSet) {
  Rng rng(3);
  ThreadPool pool(2);
  for (const char* name : {"mxfp4", "mxfp6", "mxfp8", "mxfp8_e5m2", "mxint8", "nvfp4", "e2m1/16:ue5m3", "e2m1/32:f32",
                           "int4/32", "e4m3fn/128:f32", "e4m3fn/row:f32", "nf4/64", "posit8/32:bf16",
                           "int8sym/32:e8m0", "e2m1/8:ue4m3/tensor:bf16"}) {
    const Format f = format(name);
    for (size_t r = 0; r < scale_rule_names().size(); ++r) {
      for (const Isa isa : offered_isas()) {
        BlockOptions options;
        options.rule = static_cast<ScaleRule>(r);
        options.array.isa = isa;
        options.array.pool = r % 2 == 0 ? &pool : nullptr;
        if (!check_block_format(f, options).ok()) continue;
        check(f, sample(rng, 256 * 5, false), 256, options);
        check(f, sample(rng, 100 * 4, true), 100, options);
        check(f, sample(rng, 256 * 2, true), 256, options);
        options.array.policy = {Rounding::stochastic, Saturation::none, 32};
        options.array.seed = 5;
        check(f, sample(rng, 128 * 2, true), 128, options);
        if (HasFatalFailure()) return;
      }
    }
  }
}

// The exponent of mxfp4's scale where the greatest magnitude of the block is a (quantization.md, section 2.1: least
// e with a <= t 2^e, t = 4 ceil, 6 round-up, 7 even, 8 floor).
TEST(Block, PublishedThresholdsOfMxfp4) {
  const Format f = format("mxfp4");
  const auto exponent = [&](float a, ScaleRule rule, double threshold = 0) {
    BlockOptions options;
    options.rule = rule;
    options.threshold = threshold;
    const std::vector<float> block = {a, 0.25f};
    return std::ilogb(f.levels[0].scale.decode(choose_scale(f, block, 1, options)));
  };
  const float up = 1.0f + 0x1p-23f, down = 1.0f - 0x1p-24f;
  EXPECT_EQ(exponent(4.0f, ScaleRule::ceil), 0);
  EXPECT_EQ(exponent(4.0f * up, ScaleRule::ceil), 1);
  EXPECT_EQ(exponent(6.0f, ScaleRule::round_up), 0);
  EXPECT_EQ(exponent(6.0f * up, ScaleRule::round_up), 1);
  EXPECT_EQ(exponent(7.0f * down, ScaleRule::even), 0);
  EXPECT_EQ(exponent(7.0f, ScaleRule::even), 1);
  EXPECT_EQ(exponent(8.0f * down, ScaleRule::floor), 0);
  EXPECT_EQ(exponent(8.0f, ScaleRule::floor), 1);
  EXPECT_EQ(exponent(7.25f, ScaleRule::threshold), 0);
  EXPECT_EQ(exponent(7.25f * up, ScaleRule::threshold), 1);
  EXPECT_EQ(exponent(8.0f, ScaleRule::threshold, 8), 1);
  EXPECT_EQ(exponent(8.0f * down, ScaleRule::threshold, 8), 0);
  // Universal's floor of a logarithm in float gives 3 here.
  EXPECT_EQ(exponent(std::nextafter(8.0f, 0.0f), ScaleRule::floor), 0);
}

TEST(Block, SpecialBlocks) {
  const Format mx = format("mxfp4");
  BlockOptions options;
  std::vector<float> x(64, 1.0f);
  x[3] = std::nanf("");
  x[40] = HUGE_VALF;
  std::vector<float> out(64);
  cast_blocks(mx, x, 64, out, options);
  for (int i = 0; i < 32; ++i)
    EXPECT_TRUE(std::isnan(out[static_cast<size_t>(i)]));  // NaN in a block: its scale is NaN
  EXPECT_EQ(out[41], 1.0f);                                // an infinity does not count
  EXPECT_EQ(out[40], 6 * 0.25f);
  const Blocks zeros = encode_blocks(mx, std::vector<float>(32, -0.0f), 32, options);
  EXPECT_EQ(zeros.scales[0], 0u);  // 2^-127
  EXPECT_EQ(zeros.codes[0], 8u);   // -0 stays
  const Format nv = format("nvfp4");
  cast_blocks(nv, std::vector<float>(64, 0.0f), 64, out, options);
  for (const float v : out) EXPECT_EQ(v, 0.0f);
}

TEST(Block, CodesIntoWhatAnEarlierCallLeft) {
  const std::vector<float> small(96, 3.0f), large(640, -1.5f);
  Blocks reused;
  for (const char* name : {"q4_0", "e2m1/16:e4m3fn/tensor:f32", "e2m1/16:e4m3fn/row:f32", "mxfp8", "mxfp8"}) {
    const Format format = parse_format(name).value();
    for (const std::vector<float>* values : {&large, &small, &large}) {
      const int64_t cols = std::ssize(*values) / 2;
      const Blocks fresh = encode_blocks(format, *values, cols, {});
      encode_blocks(format, *values, cols, {}, reused);
      EXPECT_EQ(reused.rows, fresh.rows) << name;
      EXPECT_EQ(reused.cols, fresh.cols) << name;
      EXPECT_EQ(reused.group, fresh.group) << name;
      EXPECT_EQ(reused.codes, fresh.codes) << name;
      EXPECT_EQ(reused.scales, fresh.scales) << name;
      EXPECT_EQ(reused.outer, fresh.outer) << name;
      EXPECT_EQ(reused.tensor_scale, fresh.tensor_scale) << name;
      EXPECT_EQ(reused.matrix_rows, fresh.matrix_rows) << name;
    }
  }
}

TEST(Block, WhatIsNoBlockFormatSaysWhy) {
  BlockOptions options;
  for (const char* name :
       {"int4/128:f16+zp", "q4_k", "q4_1", "q2_k", "e4m3fn", "fix16.8/32", "int1/32", "int4/32:int1/64"}) {
    EXPECT_FALSE(check_block_format(format(name), options).ok()) << name;
  }
  for (const char* name : {"q4_k", "q4_1", "int4/128:f16+zp"}) {
    EXPECT_NE(check_block_format(format(name), options).message().find("lowbit quantize"), std::string::npos) << name;
  }
  for (const char* name : {"int4/32:uint6/256", "e4m3fn/tensor:f32", "q3_k", "mx9", "e4m3fn/128x128:f32"}) {
    EXPECT_TRUE(check_block_format(format(name), options).ok()) << name;
  }
  options.rule = ScaleRule::four_over_six;
  EXPECT_FALSE(check_block_format(format("mxfp8"), options).ok());
  options.rule = ScaleRule::four_thirds;
  EXPECT_FALSE(check_block_format(format("mxfp4"), options).ok());
  EXPECT_EQ(parse_scale_rule("four-over-six").value(), ScaleRule::four_over_six);
  EXPECT_FALSE(parse_scale_rule("round").ok());
}

}  // namespace
}  // namespace lowbit::formats

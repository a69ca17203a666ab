// The product on every ISA and number of threads against the definition, for every kind of format.
#include "kernels/matmul/matmul.h"

#include <gtest/gtest.h>

#include "formats/sample.h"
#include "kernels/test_data.h"

namespace lowbit::kernels {
namespace {

using formats::Format;
using test::format_of;

constexpr const char* kWeights[] = {
    // plain
    "f32", "f16", "bf16", "e4m3fn", "e5m2", "int8", "uint8", "int4", "uint3", "nf4", "ternary", "fix8.4", "e2m1",
    "ue8m0",
    // all widths of integers
    "int1/32:f16", "int2/32:f16", "int3/32:f16", "int4/32:f16", "int5/32:f16", "int6/32:f16", "int7/32:f16",
    "int8/32:f16", "uint1/32:f16", "uint2/32:f16", "uint3/32:f16", "uint4/32:f16", "uint5/32:f16", "uint6/32:f16",
    "uint7/32:f16", "uint8/32:f16", "fix5.2/16:f16", "ufix8.8/64:bf16",
    // zero points, minima
    "int4/128:f16+zp", "uint4/32:f16+zp", "uint8/64:f32+zp", "int8/64:f16+zp", "int2/16:f16+zp", "uint3/row:f16+zp",
    "int8/32:f16+f16", "uint2/row:f32+f32", "e2m1/32:f16+f16", "nf4/64:f16+f32", "q4_1", "q5_1",
    // floats and codebooks
    "e2m1/32:f16", "e2m3/32:e8m0", "e3m2/32:e8m0", "e4m3fn/128:f32", "e5m2fnuz/32:f16", "e3m0/32:f16", "nf4/64:f32",
    "ternary/64:f16", "ternary/32:f32", "ternary/row:f16", "ternary/96:f16+f32", "[2,-5,1]/64:f16",
    "[-100,0,127]/32:f16", "binary/32:f16", "iq4nl/32:f16", "af4/64:f32",
    // published blocks
    "mxfp4", "mxfp6", "mxfp8", "mxint8", "nvfp4", "q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "q8_k", "tq2_0",
    // groups that are no multiple of 4 or 32, whole rows, whole tensors, scales of scales
    "int4/7:f16", "int8/10:f32", "uint5/3:f16+f16", "int4/50:f16+zp", "e2m1/6:f16", "int8/1:f16", "nf4/33:f32",
    "int4/row:f32", "uint8/row:f32", "int8/tensor:f32", "uint4/tensor:f16+f16", "e4m3fn/tensor:f32",
    "ternary/tensor:f32", "int5/12:uint4/60:f16", "int4/16:uint8/row:f16/tensor:f32",
    "uint3/10:uint5+int5/20:f16/row:f32+f32"};

constexpr const char* kActivations[] = {
    "f32",          "bf16",           "int8/32:f32",  "int8/64:f16",  "int8/row:f32", "int6/32:f32", "int8/5:f32",
    "int4/24:bf16", "e4m3fn/32:e8m0", "int14/32:f32", "int9/row:f16", "int12/10:f32", "int8/32:e8m0"};

ThreadPool& pool(int threads) {
  static ThreadPool one(1), two(2);
  return threads == 1 ? one : two;
}

// Activations with some columns and a token of nothing but zeros.
std::vector<float> random_x(int64_t tokens, int64_t cols, Rng& rng) {
  std::vector<float> x = test::normals(tokens * cols, rng);
  for (float& v : x) v = rng.below(10) == 0 ? 0.0f : v;
  if (tokens > 2) std::fill_n(x.begin() + cols, cols, 0.0f);
  return x;
}

std::string names(const std::vector<Format>& formats) {
  std::string out;
  for (const Format& format : formats) out += (out.empty() ? "" : " | ") + formats::print(format);
  return out;
}

// All ISAs and thread counts; the output is wider than the weight has rows, and the rest is left alone.
void check(const std::vector<Format>& formats, const Format& activation, int64_t rows, int64_t cols, int64_t tokens,
           bool shuffled, Rng& rng) {
  const tensor::Weight weight = test::random_weight(formats, rows, cols, shuffled, rng);
  const auto x = test::activations(activation, tokens, cols, random_x(tokens, cols, rng));
  const int64_t stride = rows + 3;
  std::vector<float> expected(static_cast<size_t>(tokens * stride), -777.0f);
  matmul_oracle(weight, x->view, expected.data(), stride);
  // Where scales cannot bring the element's values near 1, the weight may be nothing but zeros and infinities.
  const std::vector<float> weights = tensor::dequantize(weight);
  const bool tame =
      std::any_of(weights.begin(), weights.end(), [](float v) { return v != 0.0f && std::fabs(v) < 1e30f; });
  if (cols > 8 && tame) {
    const auto lively = [](float v) { return std::isfinite(v) && v != 0.0f && v != -777.0f; };
    EXPECT_GT(std::count_if(expected.begin(), expected.end(), lively), 0) << names(formats);
  }
  for (const Isa isa : offered_isas()) {
    for (const int threads : {1, 2}) {
      KernelChoice choice = usual_kernel_choice(isa);
      choice.shifts = choice.short_tiles = threads == 2 ? 1 : 0;  // both ways
      std::vector<float> got(expected.size(), -777.0f);
      Product(isa, weight, activation, choice).run(0, rows, x->view, pool(threads), got.data(), stride);
      const int64_t at = test::first_difference(got, expected);
      EXPECT_EQ(at, -1) << names(formats) << " times " << formats::print(activation) << ", " << isa_name(isa) << ", "
                        << threads << " threads, " << tokens << " x " << rows << " x " << cols << ": " << got[at]
                        << " for " << expected[at];
    }
  }
}

class MatmulFormats : public testing::TestWithParam<const char*> {};

TEST_P(MatmulFormats, EqualsTheOracleBitForBit) {
  Rng rng(11, std::hash<std::string_view>()(GetParam()));
  const Format weight = format_of(GetParam());
  for (const char* activation : kActivations) {
    for (const int64_t tokens : {1, 2, 3, 5, 17}) {
      const auto rows = static_cast<int64_t>(1 + rng.below(50)), cols = static_cast<int64_t>(1 + rng.below(200));
      check({weight}, format_of(activation), rows, cols, tokens, false, rng);
    }
  }
  // Many tokens, several chunks of columns.
  for (const char* activation : {"int8/32:f32", "int8/64:f16", "int8/row:f32", "int8/96:f32", "int8/5:f32"}) {
    const auto rows = static_cast<int64_t>(1 + rng.below(70)), cols = static_cast<int64_t>(1 + rng.below(1200));
    check({weight}, format_of(activation), rows, cols, static_cast<int64_t>(60 + rng.below(50)), false, rng);
  }
  check({weight}, format_of("int8/32:f32"), 48, 256, 9, false, rng);  // nothing left over
  check({weight}, format_of("int8/128:f32"), 64, 512, 64, false, rng);
  check({weight}, format_of("int8/32:f32"), 1, 1, 1, false, rng);
}

INSTANTIATE_TEST_SUITE_P(Matmul, MatmulFormats, testing::ValuesIn(kWeights), [](const auto& info) {
  std::string name = info.param;
  for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  return name;
});

// Columns and groups in whole steps, where few tokens go straight from the packed weights, and not; chunks and tiles
// of every size.
TEST(Matmul, FloatingProductsOfAnyNumberOfTokens) {
  Rng rng(17);
  for (const char* name : {"f32",
                           "f16",
                           "bf16",
                           "fix16.8",
                           "bf16/32:f32",
                           "f16/50:f32+f32",
                           "nf4",
                           "e2m1",
                           "nf4/64:f32",
                           "nf4/row:f32",
                           "int4/32:f16",
                           "uint4/32:f16+zp",
                           "q4_1",
                           "e4m3fn",
                           "e4m3fn/64:f32",
                           "e4m3fn/tensor:f32",
                           "e5m2/32:f16",
                           "e4m3fnuz/32:f32",
                           "int8/32:f16",
                           "e3m3/32:f16",
                           "e3m2/32:e8m0",
                           "e2m2/32:f32",
                           "int3/64:f16",
                           "posit8.2/32:f32",
                           "lns4.3/32:f32",
                           "nvfp4",
                           "ternary/32:f16",
                           "ternary"}) {
    for (const int64_t tokens : {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 17, 25, 33, 64, 65, 71}) {
      const auto rows = static_cast<int64_t>(1 + rng.below(100));
      const auto cols = static_cast<int64_t>(32 * (1 + rng.below(12)) + (rng.below(4) == 0 ? rng.below(32) : 0));
      check({format_of(name)}, format_of(tokens % 2 == 0 ? "bf16" : "f32"), rows, cols, tokens, rng.below(5) == 0,
            rng);
    }
  }
  for (const char* name : {"bf16", "nf4/64:f32"})
    check({format_of(name)}, format_of("f32"), 21, 160, 525, false, rng);
}

// Every code under scales from zero to the ends of fp32.
TEST(Matmul, FloatingProductsOfEveryCodeAndExtremeScales) {
  Rng rng(18);
  const float scales[] = {0.0f, 1e-45f, 0x1p-126f, 1e-20f, 1.0f, 1e20f, 3e38f};
  const int64_t rows = 53, cols = 416;
  for (const char* name : {"e4m3fn/32:f32", "e5m2/32:f32", "e4m3fnuz/32:f32", "nf4/32:f32", "e2m1/32:f32",
                           "e3m3/32:f32", "e3m2/32:f32", "int8/32:f32", "e4m3fn/32:f32+f32"}) {
    const Format format = format_of(name);
    tensor::Codes codes = test::random_codes(format, rows, cols, rng);
    for (size_t i = 0; i < codes.codes.size(); ++i) {
      codes.codes[i] = static_cast<uint16_t>(i * 7 % format.element.code_count());
    }
    for (uint32_t& scale : codes.scales[0]) scale = std::bit_cast<uint32_t>(scales[rng.below(std::size(scales))]);
    tensor::Weight weight;
    weight.shape = {rows, cols};
    weight.parts.push_back(tensor::PackedMatrix::allocate(format, rows, cols).value());
    tensor::pack_rows(codes, 0, rows, weight.parts[0]);
    for (const int64_t tokens : {1, 5, 13, 70}) {
      const auto x = test::activations(format_of("f32"), tokens, cols, random_x(tokens, cols, rng));
      std::vector<float> expected(static_cast<size_t>(tokens * rows)), got(expected.size());
      matmul_oracle(weight, x->view, expected.data(), rows);
      for (const Isa isa : offered_isas()) {
        matmul(isa, weight, x->view, pool(2), got.data(), rows);
        EXPECT_EQ(test::first_difference(got, expected), -1) << name << ", " << isa_name(isa) << ", " << tokens;
      }
    }
  }
}

// As many row blocks as one item of work has at most, and fewer; the columns of several chunks.
TEST(Matmul, ManyRowBlocksAtOnce) {
  Rng rng(19);
  for (const char* weight : {"int4/32:f16", "uint4/64:f16+zp", "q4_1", "int8/row:f32"}) {
    for (const char* activation : {"int8/32:f32", "int8/128:f32", "int8/row:f32"})
      check({format_of(weight)}, format_of(activation), 2065, 560, 67, false, rng);
  }
}

TEST(Matmul, RandomFormats) {
  Rng rng(12);
  for (int i = 0; i < 200; ++i) {
    const Format weight = formats::sample_format(rng);
    const auto rows = static_cast<int64_t>(1 + rng.below(40)), cols = static_cast<int64_t>(1 + rng.below(150));
    for (const char* activation : {"int8/32:f32", "f32"}) {
      check({weight}, format_of(activation), rows, cols, 3, rng.below(2) == 0, rng);
    }
  }
}

// Several chunks of columns, which threads pack apart, and several row blocks in a call.
TEST(Matmul, FewTokensOfLongRows) {
  Rng rng(19);
  for (const char* weight : {"int4/64:f16", "int4/32:f16+zp", "q4_1", "q4_k", "nvfp4", "mxfp4", "int3/128:f16",
                             "ternary/128:f16", "uint8/row:f32", "e2m2/32:f16"}) {
    for (const char* activation : {"int8/32:f32", "int8/row:f32", "int14/32:f32"}) {
      for (const int64_t tokens : {1, 2, 3, 4, 5, 8, 9, 16}) {
        const auto rows = static_cast<int64_t>(1 + rng.below(300)),
                   cols = static_cast<int64_t>(600 + rng.below(1500));
        check({format_of(weight)}, format_of(activation), rows, cols, tokens, false, rng);
      }
    }
  }
}

// Rows that end in every step of those in which units begin a vector again, stretches of every length.
TEST(Matmul, TernaryRowsOfEveryLength) {
  Rng rng(16);
  const char* pairs[][2] = {{"ternary/32:f16", "int8/32:f32"},   {"ternary/64:f16", "int8/64:f16"},
                            {"ternary/128:f32", "int8/128:f32"}, {"ternary/row:f16", "int8/row:f32"},
                            {"ternary/16:f16", "int8/32:f32"},   {"ternary/256:f16", "int12/64:f32"},
                            {"ternary/96:f16", "int8/96:f32"},   {"[2,-5,1]/32:f16", "int8/32:f32"}};
  for (const auto& [weight, activation] : pairs) {
    for (int64_t steps = 1; steps <= 45; steps += steps < 12 ? 1 : 8) {
      for (const int64_t tokens : {1, 2, 3, 4, 5, 7, 9, 16, 23, 26}) {
        const int64_t cols = 32 * steps - (tokens % 2 == 0 ? static_cast<int64_t>(rng.below(32)) : 0);
        check({format_of(weight)}, format_of(activation), 1 + static_cast<int64_t>(rng.below(40)), cols, tokens,
              false, rng);
      }
    }
  }
}

TEST(Matmul, SeveralPartsAndARowOrder) {
  Rng rng(13);
  const std::vector<std::vector<const char*>> lists = {{"int4/32:f16", "int8/32:f16"},
                                                       {"q4_k", "q6_k", "int2/16:f16"},
                                                       {"int4/7:f16", "uint4/32:f16+zp"},
                                                       {"nf4/64:f32", "f16"},
                                                       {"int4/32:f16", "bf16", "e2m1/16:f16"}};
  for (const auto& list : lists) {
    std::vector<Format> formats;
    for (const char* name : list) formats.push_back(format_of(name));
    for (const char* activation : kActivations) {
      for (const bool shuffled : {false, true}) {
        const auto rows = static_cast<int64_t>(3 + rng.below(90)), cols = static_cast<int64_t>(1 + rng.below(100));
        check(formats, format_of(activation), rows, cols, 1 + static_cast<int64_t>(rng.below(5)), shuffled, rng);
      }
    }
  }
}

// Codes and activations all at the ends of their ranges: where a sum is narrower than it should be, it shows here.
void check_extremes(const char* activation, int64_t cols) {
  Rng rng(14);
  for (const char* name : {"int8/row:f32", "uint8/row:f32", "uint7/row:f32", "e2m1/row:f32", "uint8/row:f32+zp",
                           "int8/row:f32+zp", "uint8/row:f32+f32", "fix8.6/row:f32", "uint4/row:f32",
                           "int4/row:f32+zp", "uint3/row:f32", "ternary/row:f32", "binary/row:f32"}) {
    const Format format = format_of(name);
    const int64_t rows = 16;
    for (const bool highest : {false, true}) {
      tensor::Codes codes = test::random_codes(format, rows, cols, rng);
      const std::span<const float> values = formats::decode_table(format.element);
      const auto [least, most] = std::minmax_element(values.begin(), values.end());
      const auto end = static_cast<uint16_t>((highest ? most : least) - values.begin());
      const auto other = static_cast<uint32_t>((highest ? least : most) - values.begin());
      std::fill(codes.codes.begin(), codes.codes.end(), end);
      if (format.has_zero_point()) std::fill(codes.minimums[0].begin(), codes.minimums[0].end(), other);
      tensor::Weight weight;
      weight.shape = {rows, cols};
      weight.parts.push_back(tensor::PackedMatrix::allocate(format, rows, cols).value());
      tensor::pack_rows(codes, 0, rows, weight.parts[0]);
      for (const auto& [sign, tokens] : {std::pair{1.0f, 3}, {-1.0f, 3}, {1.0f, 65}, {-1.0f, 65}}) {
        const auto many = static_cast<size_t>(tokens);
        const auto x = test::activations(format_of(activation), tokens, cols, std::vector<float>(many * cols, sign));
        std::vector<float> expected(many * rows), got(many * rows);
        matmul_oracle(weight, x->view, expected.data(), rows);
        for (const Isa isa : offered_isas()) {
          matmul(isa, weight, x->view, pool(1), got.data(), rows);
          EXPECT_EQ(test::first_difference(got, expected), -1) << name << ", " << activation << ", " << isa_name(isa);
        }
      }
    }
  }
}

TEST(Matmul, ExtremeCodes) {
  check_extremes("int8/row:f32", 1024);
  check_extremes("int8/row:f32", 70000);  // beyond one stretch
  check_extremes("int14/row:f32", 2100);
  // Sums of 16 bits are full after few units or many.
  for (const char* activation : {"int7/row:f32", "int5/row:f32", "int3/row:f32", "binary/row:f32"}) {
    check_extremes(activation, 2100);
  }
}

// The oracle itself against sums in double of the values that the formats define.
TEST(Matmul, TheOracleIsNearTheExactProduct) {
  Rng rng(15);
  for (const char* name : kWeights) {
    for (const char* activation : kActivations) {
      const int64_t rows = 5, cols = 100, tokens = 2;
      const tensor::Weight weight = test::random_weight({format_of(name)}, rows, cols, true, rng);
      const auto x = test::activations(format_of(activation), tokens, cols, random_x(tokens, cols, rng));
      const std::vector<float> values = tensor::dequantize(weight);
      std::vector<float> got(static_cast<size_t>(tokens * rows));
      matmul_oracle(weight, x->view, got.data(), rows);
      for (int64_t t = 0; t < tokens; ++t) {
        for (int64_t r = 0; r < rows; ++r) {
          double sum = 0.0, size = 0.0;
          for (int64_t c = 0; c < cols; ++c) {
            const double product = static_cast<double>(values[static_cast<size_t>(r * cols + c)]) *
                                   static_cast<double>(x->values[static_cast<size_t>(t * cols + c)]);
            sum += product;
            size += std::fabs(product);
          }
          EXPECT_NEAR(got[static_cast<size_t>(t * rows + r)], sum, size * 4e-5) << name << " times " << activation;
        }
      }
    }
  }
}

// An output does not depend on what else is computed with it.
TEST(Matmul, TokensDoNotTouchEachOther) {
  Rng rng(16);
  for (const char* name : {"q4_k", "nf4/64:f32", "bf16"}) {
    const tensor::Weight weight = test::random_weight({format_of(name)}, 37, 96, false, rng);
    for (const char* activation : {"int8/32:f32", "f32"}) {
      const std::vector<float> rows = test::normals(13 * 96, rng);
      const auto all = test::activations(format_of(activation), 13, 96, rows);
      for (const Isa isa : offered_isas()) {
        std::vector<float> together(13 * 37), alone(37);
        matmul(isa, weight, all->view, pool(2), together.data(), 37);
        for (int64_t t = 0; t < 13; ++t) {
          const auto one =
              test::activations(format_of(activation), 1, 96, {rows.begin() + t * 96, rows.begin() + (t + 1) * 96});
          matmul(isa, weight, one->view, pool(1), alone.data(), 37);
          EXPECT_EQ(test::first_difference(alone, std::span(together).subspan(static_cast<size_t>(t * 37), 37)), -1)
              << name;
        }
      }
    }
  }
}

TEST(Matmul, WhatIsInteger) {
  const auto integer = [](const char* weight, const char* activation) {
    return arithmetic_of(format_of(weight), format_of(activation)) == Arithmetic::integer;
  };
  EXPECT_TRUE(integer("q4_k", "int8/32:f32"));
  EXPECT_TRUE(integer("mxfp4", "int8/32:f32"));
  EXPECT_TRUE(integer("int8", "int8/row:f32"));
  EXPECT_FALSE(integer("nf4/64:f32", "int8/32:f32"));
  EXPECT_FALSE(integer("bf16", "int8/32:f32"));
  EXPECT_FALSE(integer("q4_k", "f32"));
  EXPECT_FALSE(integer("q4_k", "bf16"));
  EXPECT_FALSE(integer("q4_k", "uint8/32:f32"));
  EXPECT_FALSE(integer("q4_k", "int8/32:f32+zp"));
  EXPECT_FALSE(integer("q4_k", "int8/tensor:f32"));
}

// Activations of one stamp are packed once for products that want them alike, and again for those that do not; of a
// new stamp they are other ones.
TEST(Matmul, ActivationsOfOneStampServeSeveralProducts) {
  Rng rng(77);
  const char* names[] = {"int4/64:f16",   "int8/64:f16", "uint4/64:f16+zp", "q4_1",       "int4/32:f16",
                         "binary/64:f16", "int4/65:f16", "int4/66:f16",     "int4/7:f16", "nf4/64:f32",
                         "int4/64:f16",   "int2/64:f16", "int4/64:f16"};
  for (const char* activation : {"int8/32:f32", "int14/32:f32", "int2/64:f32", "int8/row:f32"}) {
    for (const int64_t tokens : {1, 4, 9, 40}) {
      for (const Isa isa : offered_isas()) {
        constexpr int64_t kRows = 40, kCols = 100;
        const auto x = test::activations(format_of(activation), tokens, kCols, random_x(tokens, kCols, rng));
        for (int round = 0; round < 2; ++round) {
          x->view.stamp = new_stamp();
          for (const char* name : names) {
            const tensor::Weight weight = test::random_weight({format_of(name)}, kRows, kCols, false, rng);
            std::vector<float> expected(static_cast<size_t>(tokens * kRows)), got(expected.size());
            matmul_oracle(weight, x->view, expected.data(), kRows);
            matmul(isa, weight, x->view, pool(2), got.data(), kRows);
            ASSERT_EQ(test::first_difference(got, expected), -1)
                << name << " times " << activation << ", " << isa_name(isa) << ", " << tokens << " tokens";
          }
          for (int8_t& code : x->codes) code = static_cast<int8_t>(-code);
          for (float& v : x->values) v = -v;
        }
      }
    }
  }
}

// The test above can fail: what is packed is not packed again.
TEST(Matmul, WhoeverChangesActivationsGivesThemANewStamp) {
  Rng rng(78);
  const tensor::Weight weight = test::random_weight({format_of("int4/64:f16")}, 16, 64, false, rng);
  const auto x = test::activations(format_of("int8/64:f32"), 30, 64, random_x(30, 64, rng));
  x->view.stamp = new_stamp();
  std::vector<float> first(30 * 16), second(30 * 16);
  matmul(Isa::portable, weight, x->view, pool(1), first.data(), 16);
  for (int8_t& code : x->codes) code = static_cast<int8_t>(-code);
  matmul(Isa::portable, weight, x->view, pool(1), second.data(), 16);
  EXPECT_EQ(first, second);
  x->view.stamp = new_stamp();
  matmul(Isa::portable, weight, x->view, pool(1), second.data(), 16);
  EXPECT_NE(first, second);
}

}  // namespace
}  // namespace lowbit::kernels

// Products that count bits against the definition: every pair of formats that they take, forced and refused, on every
// ISA, between guard pages.
#include <gtest/gtest.h>

#include "kernels/matmul/plane_plan.h"
#include "kernels/test_data.h"

namespace lowbit::kernels {
namespace {

using test::format_of;

constexpr KernelChoice kAlways = {kMostPlanePairs, kMostPlanePairs}, kNever = {0, 0};

ThreadPool& pool() {
  static ThreadPool two(2);
  return two;
}

std::vector<float> product(Isa isa, const tensor::Weight& weight, const Activations& x, const KernelChoice& limits) {
  const int64_t rows = weight.rows();
  std::vector<float> out(static_cast<size_t>(x.tokens * rows), -777.0f);
  Product(isa, weight, *x.format, limits).run(0, rows, x, pool(), out.data(), rows);
  return out;
}

void check(const tensor::Weight& weight, const Activations& x, const std::string& what) {
  std::vector<float> expected(static_cast<size_t>(x.tokens * weight.rows()));
  matmul_oracle(weight, x, expected.data(), weight.rows());
  for (const Isa isa : offered_isas()) {
    for (const KernelChoice& limits : {kAlways, kNever}) {
      EXPECT_EQ(test::first_difference(product(isa, weight, x, limits), expected), -1)
          << what << ", " << isa_name(isa) << ", " << limits.planes_few << ", " << x.tokens << " x " << weight.rows()
          << " x " << x.cols;
    }
  }
}

// Whether a product is planned to be counted, given that it may be.
int pairs(const tensor::Weight& weight, const formats::Format& activation) {
  return plan_part(Isa::portable, weight.parts[0], activation, kAlways).planes.pairs;
}

TEST(Planes, EqualTheOracleBitForBit) {
  Rng rng(31);
  int counted = 0, all = 0;
  for (const char* name : {"int1/32:f16", "uint1/64:f16", "binary/32:f16", "binary/row:f32", "bipolar1/128:f32",
                           "[-1,0,1,0]/64:f16", "[-1,0,1,0]/tensor:f32", "ternary/64:f16", "int2/32:f16",
                           "uint2/96:bf16", "bipolar2/64:f16", "uint2/32:f16+zp", "int1/32:f16+zp", "int2/32:f16+f16",
                           "uint2/row:f32+f32", "[-1,0,1,0]", "int2/32:uint4/128:f16"}) {
    for (const char* activation : {"binary/32:f32", "binary/row:f16", "bipolar1/64:f32", "int2/32:f32",
                                   "int2/row:f32", "int3/64:f16", "int4/96:f32", "int4/row:f32"}) {
      for (const int64_t tokens : {1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13, 17, 26}) {
        const auto rows = static_cast<int64_t>(1 + rng.below(50)), cols = static_cast<int64_t>(1 + rng.below(700));
        const tensor::Weight weight = test::random_weight({format_of(name)}, rows, cols, rng.below(4) == 0, rng);
        std::vector<float> values = test::normals(tokens * cols, rng);
        for (float& v : values) v = rng.below(5) == 0 ? 0.0f : v;
        const auto x = test::activations(format_of(activation), tokens, cols, values);
        check(weight, x->view, std::string(name) + " times " + activation);
        counted += pairs(weight, x->format) > 0 ? 1 : 0;
        ++all;
      }
    }
  }
  EXPECT_GT(counted, all / 3);
}

// What a file has behind the last column of its rows never counts.
TEST(Planes, PaddingOfAFileIsNothing) {
  Rng rng(35);
  for (const char* name : {"binary/row:f16", "int2/row:f16"}) {
    tensor::Weight weight = test::random_weight({format_of(name)}, 20, 40, false, rng);
    const std::vector<float> before = tensor::dequantize(weight);
    int changed = 0;
    for (std::byte& byte : weight.parts[0].writable().first(weight.parts[0].layout().code_bytes)) {
      const std::byte old = byte;
      byte = ~old;
      if (tensor::dequantize(weight) != before) {
        byte = old;
      } else {
        ++changed;
      }
    }
    EXPECT_GT(changed, 10);
    for (const char* activation : {"binary/row:f32", "int2/row:f32"}) {
      for (const int64_t tokens : {1, 9}) {
        const auto x = test::activations(format_of(activation), tokens, 40, test::normals(tokens * 40, rng));
        check(weight, x->view, std::string(name) + " times " + activation);
      }
    }
  }
}

TEST(Planes, WhatIsCounted) {
  Rng rng(32);
  const auto of = [&](const char* weight, const char* activation) {
    return pairs(test::random_weight({format_of(weight)}, 16, 128, false, rng), format_of(activation));
  };
  EXPECT_EQ(of("binary/32:f16", "binary/row:f32"), 1);
  EXPECT_EQ(of("int1/32:f16", "int2/32:f32"), 2);
  EXPECT_EQ(of("uint1/32:f16", "int3/32:f32"), 3);
  EXPECT_EQ(of("binary/32:f16", "int4/row:f32"), 4);
  EXPECT_EQ(of("[-1,0,1,0]/tensor:f32", "binary/row:f32"), 2);
  EXPECT_EQ(of("[-1,0,1,0]/64:f16", "int2/row:f32"), 4);
  EXPECT_EQ(of("ternary/64:f16", "binary/row:f32"), 0) << "codes of 1.6 bits have no planes";
  EXPECT_EQ(of("int2/32:f16", "int2/32:f32"), 4);
  EXPECT_EQ(of("uint2/32:f16+zp", "binary/32:f32"), 2);
  EXPECT_EQ(of("int2/32:f16", "int3/32:f32"), 0) << "six pairs";
  EXPECT_EQ(of("int3/32:f16", "binary/32:f32"), 0);
  EXPECT_EQ(of("int1/32:f16", "int8/32:f32"), 0);
  EXPECT_EQ(of("int1/16:f16", "int2/32:f32"), 0) << "stretches inside a step";
  EXPECT_EQ(of("int1/32:f16", "int2/40:f32"), 0);
  EXPECT_EQ(of("nf4/32:f16", "int2/32:f32"), 0);
}

// All codes of a kind, all activations at an end of their range, over more than one stretch: the greatest counts.
TEST(Planes, ExtremeCodes) {
  Rng rng(33);
  for (const char* name :
       {"binary/row:f32", "uint1/row:f32", "[-1,0,1,0]/row:f32", "int2/row:f32", "uint2/row:f32+zp"}) {
    const formats::Format format = format_of(name);
    for (const int64_t cols : {520, 70000}) {
      for (uint16_t code = 0; code < format.element.code_count(); ++code) {
        tensor::Codes codes = test::random_codes(format, 16, cols, rng);
        std::fill(codes.codes.begin(), codes.codes.end(), code);
        tensor::Weight weight;
        weight.shape = {16, cols};
        weight.parts.push_back(tensor::PackedMatrix::allocate(format, 16, cols).value());
        tensor::pack_rows(codes, 0, 16, weight.parts[0]);
        for (const char* activation : {"binary/row:f32", "int2/row:f32", "int4/row:f32"}) {
          for (const float sign : {1.0f, -1.0f}) {
            const auto x = test::activations(format_of(activation), 3, cols, std::vector<float>(3 * cols, sign));
            check(weight, x->view, std::string(name) + " times " + activation);
          }
        }
      }
    }
  }
}

// The source is asked each question once, and only where it matters.
TEST(Planes, TheSourceOfLimitsChooses) {
  static int asked, other;
  asked = other = 0;
  set_kernel_choice_source([](Isa, KernelQuestion question, int) {
    const bool few = question == KernelQuestion::planes_few, many = question == KernelQuestion::planes_many;
    ++(few || many ? asked : other);
    return few ? 2 : 1;
  });
  Rng rng(34);
  const tensor::Weight one = test::random_weight({format_of("binary/32:f16")}, 20, 64, false, rng);
  const auto counts = [&](const char* activation, int64_t tokens) {
    return Product(Isa::portable, one, format_of(activation)).counts_bits(tokens);
  };
  EXPECT_FALSE(counts("int8/32:f32", 1));
  EXPECT_EQ(asked, 0);
  EXPECT_TRUE(counts("binary/row:f32", 1));
  EXPECT_TRUE(counts("binary/row:f32", 100));
  EXPECT_TRUE(counts("int2/row:f32", 4));
  EXPECT_FALSE(counts("int2/row:f32", 5));
  EXPECT_FALSE(counts("int3/row:f32", 1));
  EXPECT_EQ(asked, 2);
  EXPECT_EQ(other, 0);
  set_kernel_choice_source(nullptr);
  for (const Isa isa : offered_isas()) EXPECT_TRUE(Product(isa, one, format_of("binary/row:f32")).counts_bits(1));
}

}  // namespace
}  // namespace lowbit::kernels

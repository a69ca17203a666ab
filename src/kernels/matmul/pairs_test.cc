// Columns of bf16 in pairs: the bits of the chain, wherever that is promised.
#include "kernels/matmul/pairs.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "kernels/limits/limits.h"
#include "kernels/list.h"
#include "kernels/test_data.h"

namespace lowbit::kernels {
namespace {

using test::format_of;

constexpr KernelChoice kPaired = {.bf16 = 1};

// Products by `choice` on every ISA are those of the oracle.
void check(const tensor::Weight& weight, const std::vector<float>& x, int64_t tokens, const std::string& what) {
  const auto in = test::activations(format_of("bf16"), tokens, weight.cols(), x);
  const int64_t rows = weight.rows();
  std::vector<float> expected(static_cast<size_t>(tokens * rows));
  matmul_oracle(weight, in->view, expected.data(), rows);
  for (const Isa isa : offered_isas()) {
    for (const int threads : {1, 2}) {
      ThreadPool pool(threads);
      const Product product(isa, weight, in->format, kPaired);
      std::vector<float> got(expected.size(), -777.0f);
      product.run(0, rows, in->view, pool, got.data(), rows);
      EXPECT_EQ(test::first_difference(got, expected), -1)
          << what << ", " << isa_name(isa) << ", " << tokens << " x " << rows << " x " << weight.cols();
    }
  }
}

TEST(Pairs, ProductsOfAnyShape) {
  Rng rng(21);
  for (const char* name : {"bf16", "e4m3fn", "e2m1", "int8", "e5m2", "ternary", "f16", "bf16/32:f32"}) {
    for (const int64_t tokens : {1, 16, 17, 18, 23, 24, 25, 36, 64, 65, 70, 130}) {
      const auto rows = static_cast<int64_t>(1 + rng.below(100)), cols = static_cast<int64_t>(1 + rng.below(500));
      const tensor::Weight weight = test::random_weight({format_of(name)}, rows, cols, rng.below(4) == 0, rng);
      check(weight, test::normals(tokens * cols, rng), tokens, name);
    }
  }
  const tensor::Weight weight = test::random_weight({format_of("bf16")}, 40, 300, false, rng);
  check(weight, test::normals(1100 * 300, rng), 1100, "several windows");
  const tensor::Weight mixed = test::random_weight({format_of("bf16"), format_of("f16")}, 90, 77, true, rng);
  check(mixed, test::normals(40 * 77, rng), 40, "two formats");
}

TEST(Pairs, AreTakenWhereThisProcessorHasThem) {
  Rng rng(22);
  for (const Isa isa : offered_isas()) {
    const bool has = has_bf16_products(isa);
    const auto paired = [&](const char* weight, const char* activation, const KernelChoice& choice) {
      const tensor::Weight w = test::random_weight({format_of(weight)}, 16, 64, false, rng);
      return Product(isa, w, format_of(activation), choice).pairs_columns(100);
    };
    EXPECT_EQ(paired("bf16", "bf16", kPaired), has);
    EXPECT_EQ(paired("e4m3fn", "bf16", kPaired), has);
    EXPECT_FALSE(paired("bf16", "bf16", {}));
    EXPECT_FALSE(paired("bf16", "f32", kPaired));
    EXPECT_FALSE(paired("f16", "bf16", kPaired));
    EXPECT_FALSE(paired("bf16/32:f32", "bf16", kPaired));
  }
}

// Magnitudes from subnormals to beyond the range of sums, a few of everything that is no number.
TEST(Pairs, ProductsOfAnySize) {
  Rng rng(23);
  const int64_t rows = 33, cols = 97, tokens = 40;
  const auto values = [&](int64_t count, int low, int high, float odd) {
    std::vector<float> out = test::normals(count, rng);
    for (float& v : out) v = std::ldexp(v, low + static_cast<int>(rng.below(static_cast<uint64_t>(high - low + 1))));
    if (odd != 0.0f) out[rng.below(static_cast<uint64_t>(count))] = odd;
    return out;
  };
  const float odds[] = {0.0f, 0x1p-130f, INFINITY, -INFINITY, NAN};
  for (const auto& [low, high] : {std::pair{-10, 10}, {-60, -50}, {-70, -55}, {-130, -120}, {50, 70}, {-120, 100}}) {
    for (const float odd_weight : odds) {
      for (const float odd : odds) {
        tensor::Weight weight;
        weight.shape = {rows, cols};
        weight.parts.push_back(
            tensor::pack_plain(format_of("bf16"), rows, cols, values(rows * cols, low, high, odd_weight)).value());
        check(weight, values(tokens * cols, low, high, odd), tokens,
              fmt::format("2^{} to 2^{}, {}, {}", low, high, odd_weight, odd));
      }
    }
  }
}

TEST(Pairs, CommonExponents) {
  const auto of = [](std::vector<float> values) {
    std::vector<uint16_t> words;
    for (const float v : values) words.push_back(static_cast<uint16_t>(std::bit_cast<uint32_t>(v) >> 16));
    const int found = common_exponent(std::span<const uint16_t>(words));
    EXPECT_EQ(common_exponent(values), found);
    return found;
  };
  EXPECT_EQ(of({1.0f}), -7);
  EXPECT_EQ(of({0.0f, -0.0f}), 0);
  EXPECT_EQ(of({0.0f, 4.0f, -256.0f, 1.5f}), -7);
  EXPECT_EQ(of({-0.75f, 3.0f}), -8);
  EXPECT_EQ(of({0x1p-126f}), -133);
  EXPECT_EQ(of({0x1p-127f}), kUnpaired);
  EXPECT_EQ(of({1.0f, INFINITY}), kUnpaired);
  EXPECT_EQ(of({1.0f, NAN}), kUnpaired);
  EXPECT_EQ(of({0x1.FEp127f}), 120);
  EXPECT_EQ(common_exponent(std::vector<float>{1.0f + 0x1p-20f}), kUnpaired);
  EXPECT_TRUE(may_pair(-63, -63));
  EXPECT_FALSE(may_pair(-63, -64));
  EXPECT_FALSE(may_pair(kUnpaired, 120));
  EXPECT_FALSE(may_pair(kUnpaired, kUnpaired));
}

#if defined(__x86_64__)
// What the condition is for: sums that are subnormal are lost.
TEST(Pairs, TheInstructionItselfHasNoSubnormals) {
  if (!has_bf16_products(detected_isa())) GTEST_SKIP();
  const auto product = [](float weight, float activation) {
    std::vector<float> panel(16), x(1), out(16);
    float w[2] = {weight, 0.0f}, a[2] = {activation, 0.0f};
    pair_up(w, 2, panel.data());
    pair_up(a, 2, x.data());
    FloatTileArgs args = {};
    args.panels = panel.data();
    args.blocks = args.depth = args.tokens = 1;
    args.panel_step = args.out_stride = 16;
    args.x = x.data();
    args.out = out.data();
    k_pair_tiles.at(Isa::avx512)(args);
    return out[0];
  };
  EXPECT_EQ(product(0x1p-63f, 0x1p-63f), 0x1p-126f);
  EXPECT_EQ(product(0x1p-63f, 0x1p-64f), 0.0f);
  EXPECT_EQ(product(0x1p-130f, 1.0f), 0.0f);
}
#endif

}  // namespace
}  // namespace lowbit::kernels

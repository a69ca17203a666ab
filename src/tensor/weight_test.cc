#include "tensor/weight.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "tensor/gather.h"
#include "tensor/packed_oracle.h"

namespace lowbit::tensor {
namespace {

PackedMatrix random_matrix(const char* text, int64_t rows, int64_t cols, uint64_t seed) {
  const formats::Format format = *formats::parse_format(text);
  Rng rng(seed);
  const Codes codes = oracle::random_codes(format, rows, cols, rng);
  PackedMatrix matrix = *PackedMatrix::allocate(format, rows, cols);
  pack_rows(codes, 0, rows, matrix);
  return matrix;
}

// 20 rows of int4 and 13 of nf4, interleaved by a permutation.
Weight mixed_weight() {
  Weight weight;
  weight.shape = {33, 45};
  weight.parts = {random_matrix("int4/16:bf16+zp", 20, 45, 1), random_matrix("nf4/row:bf16", 13, 45, 2)};
  for (int i = 0; i < 33; ++i) weight.row_order.push_back(i * 5 % 33);
  return weight;
}

TEST(Weight, PartsAndOrder) {
  const Weight weight = mixed_weight();
  ASSERT_TRUE(check_weight(weight).ok());
  const std::vector<float> all = dequantize(weight);
  ASSERT_EQ(all.size(), 33u * 45);
  std::vector<float> packed(33 * 45);
  dequantize_rows(weight.parts[0], 0, 20, packed.data());
  dequantize_rows(weight.parts[1], 0, 13, packed.data() + 20 * 45);
  const std::vector<int32_t> inverse = inverse_row_order(weight);
  std::vector<float> row(45);
  for (int i = 0; i < 33; ++i) {
    const int natural = i * 5 % 33;
    EXPECT_EQ(inverse[natural], i);
    EXPECT_EQ(std::memcmp(&packed[i * 45], &all[natural * 45], 45 * sizeof(float)), 0);
    dequantize_row(weight, inverse, natural, row.data());
    EXPECT_EQ(std::memcmp(row.data(), &all[natural * 45], 45 * sizeof(float)), 0);
  }
  EXPECT_EQ(weight.bytes(), weight.parts[0].bytes().size() + weight.parts[1].bytes().size() + 33 * 4);
}

TEST(Weight, NaturalOrder) {
  Weight weight = mixed_weight();
  weight.row_order.clear();
  ASSERT_TRUE(check_weight(weight).ok());
  EXPECT_TRUE(inverse_row_order(weight).empty());
  const std::vector<float> all = dequantize(weight);
  std::vector<float> row(45), expected(45);
  dequantize_row(weight, {}, 25, row.data());
  dequantize_row(weight.parts[1], 5, expected.data());
  EXPECT_EQ(std::memcmp(row.data(), expected.data(), 45 * sizeof(float)), 0);
  EXPECT_EQ(std::memcmp(row.data(), &all[25 * 45], 45 * sizeof(float)), 0);
}

TEST(Weight, Vector) {
  Weight weight;
  weight.shape = {5};
  const float values[] = {1, 2, 3, 4, 5};
  weight.parts = {*pack_plain(*formats::parse_format("f32"), 1, 5, values)};
  ASSERT_TRUE(check_weight(weight).ok());
  EXPECT_EQ(dequantize(weight), std::vector<float>(values, values + 5));
}

TEST(Weight, DamagedOnesAreNamed) {
  const Weight good = mixed_weight();
  const auto fails = [&](auto change) {
    Weight weight = good;
    change(weight);
    const Status status = check_weight(weight);
    return !status.ok() && !status.message().empty();
  };
  EXPECT_TRUE(fails([](Weight& w) { w.shape.clear(); }));
  EXPECT_TRUE(fails([](Weight& w) { w.shape = {3, 12, 45}; }));
  EXPECT_TRUE(fails([](Weight& w) { w.shape = {1, 3, 11, 45}; }));
  EXPECT_TRUE(fails([](Weight& w) { w.shape = {32, 45}; }));
  EXPECT_TRUE(fails([](Weight& w) { w.shape = {33, 44}; }));
  EXPECT_TRUE(fails([](Weight& w) { w.parts.clear(); }));
  EXPECT_TRUE(fails([](Weight& w) { w.parts.pop_back(); }));
  EXPECT_TRUE(fails([](Weight& w) { w.row_order.pop_back(); }));
  EXPECT_TRUE(fails([](Weight& w) { w.row_order[3] = 33; }));
  EXPECT_TRUE(fails([](Weight& w) { w.row_order[3] = -1; }));
  EXPECT_TRUE(fails([](Weight& w) { w.row_order[3] = w.row_order[4]; }));
}

}  // namespace
}  // namespace lowbit::tensor

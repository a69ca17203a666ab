#include "eval/format_facts.h"

#include <gtest/gtest.h>

#include "base/rng.h"
#include "formats/sample.h"

namespace lowbit::eval {
namespace {

using formats::ElementFormat;
using formats::Exact;

ElementFormat element(std::string_view text) { return formats::parse_element(text).value(); }

// Published constants (OCP OFP8 1.0, OCP MX 1.0, IEEE 754, Posit Standard 2022, IEEE P3109 4.0).
TEST(FormatFacts, PublishedRanges) {
  struct Row {
    const char* name;
    double largest, least, smallest, normal;  // 0: none
    std::vector<uint32_t> zeros, infinities;
    int64_t nan_codes, finite_values;
    double ulp;
  };
  const Row rows[] = {
      {"e4m3fn", 448, -448, 0x1p-9, 0x1p-6, {0, 0x80}, {}, 2, 253, 0x1p-3},
      {"e5m2", 57344, -57344, 0x1p-16, 0x1p-14, {0, 0x80}, {0x7C, 0xFC}, 6, 247, 0x1p-2},
      {"e4m3fnuz", 240, -240, 0x1p-10, 0x1p-7, {0}, {}, 1, 255, 0x1p-3},
      {"e2m1", 6, -6, 0.5, 1, {0, 8}, {}, 0, 15, 0.5},
      {"e8m0", 0x1p127, 0x1p-127, 0x1p-127, 0, {}, {}, 1, 255, 1},
      {"f16", 65504, -65504, 0x1p-24, 0x1p-14, {0, 0x8000}, {0x7C00, 0xFC00}, 2046, 63487, 0x1p-10},
      {"f32",
       0x1.fffffep127,
       -0x1.fffffep127,
       0x1p-149,
       0x1p-126,
       {0, 0x80000000u},
       {0x7F800000u, 0xFF800000u},
       16777214,
       4278190079,
       0x1p-23},
      {"posit8", 0x1p24, -0x1p24, 0x1p-24, 0, {0}, {}, 1, 255, 0x1p-3},
      {"binary8p4se", 224, -224, 0x1p-10, 0x1p-7, {0}, {0x7F, 0xFF}, 1, 253, 0x1p-3},
      {"int8", 127, -128, 1, 0, {0}, {}, 0, 256, 1},
      {"fix8.6", 127.0 / 64, -2, 0x1p-6, 0, {0}, {}, 0, 256, 0x1p-6},
      {"ternary", 1, -1, 1, 0, {1}, {}, 0, 3, 0},
      {"int4sm", 7, -7, 1, 0, {0, 8}, {}, 0, 15, 1},
  };
  for (const Row& row : rows) {
    const ElementFacts facts = facts_of(element(row.name));
    EXPECT_EQ(facts.largest.to_double(), row.largest) << row.name;
    EXPECT_EQ(facts.least.to_double(), row.least) << row.name;
    EXPECT_EQ(facts.smallest.to_double(), row.smallest) << row.name;
    EXPECT_EQ(facts.smallest_normal.value_or(Exact()).to_double(), row.normal) << row.name;
    EXPECT_EQ(facts.zeros, row.zeros) << row.name;
    EXPECT_EQ(facts.infinities, row.infinities) << row.name;
    EXPECT_EQ(facts.nan_codes, row.nan_codes) << row.name;
    EXPECT_EQ(facts.finite_values, row.finite_values) << row.name;
    EXPECT_EQ(facts.ulp_at_one.value_or(0), row.ulp) << row.name;
  }
  EXPECT_EQ(facts_of(element("e4m3fn")).first_nan, 0x7Fu);
  EXPECT_EQ(facts_of(element("e4m3fn")).last_nan, 0xFFu);
}

// 6 values in [2^k, 2^(k+1)) of e2m1 would be wrong: 0.5; 1 1.5; 2 3; 4 6.
TEST(FormatFacts, PrecisionOfEachBinade) {
  const auto check = [](std::string_view name, std::vector<std::tuple<int, int64_t, double>> expected) {
    const ElementFacts facts = facts_of(element(name));
    ASSERT_EQ(facts.precision.size(), expected.size()) << name;
    for (size_t i = 0; i < expected.size(); ++i) {
      const auto& [exponent, values, step] = expected[i];
      EXPECT_EQ(facts.precision[i].exponent, exponent) << name;
      EXPECT_EQ(facts.precision[i].values, values) << name;
      EXPECT_DOUBLE_EQ(facts.precision[i].step.value_or(-1), step) << name << " 2^" << exponent;
    }
  };
  check("e2m1", {{-1, 1, 1.0}, {0, 2, 0.5}, {1, 2, 0.5}, {2, 2, 0.5}});
  check("uint4", {{0, 1, 1.0}, {1, 2, 0.5}, {2, 4, 0.25}, {3, 8, 0.125}});
  // 1/16 1/4 1/2 1 2 4 16: nothing between 1/16 and 1/4, nor between 4 and 16; 16 is alone.
  check("posit4.1", {{-4, 1, 3.0},
                     {-3, 0, 1.5},
                     {-2, 1, 1.0},
                     {-1, 1, 1.0},
                     {0, 1, 1.0},
                     {1, 1, 1.0},
                     {2, 1, 3.0},
                     {3, 0, 1.5},
                     {4, 1, -1.0}});
  EXPECT_DOUBLE_EQ(facts_of(element("e4m3fn")).significant_bits, 4.0);
  EXPECT_DOUBLE_EQ(facts_of(element("f32")).significant_bits, 24.0);
  EXPECT_NEAR(facts_of(element("f16")).decimal_digits, 3.311, 1e-3);
  EXPECT_NEAR(facts_of(element("e5m2")).decibels, 191.5, 0.1);
  // f32 by its fields as the listed elements by their values.
  const ElementFacts wide = facts_of(element("f32")), listed = facts_of(element("tf32"));
  EXPECT_EQ(wide.precision.back().exponent, listed.precision.back().exponent);
  for (const Binade& b : wide.precision) EXPECT_LE(b.values, int64_t{1} << 23);
  EXPECT_EQ(wide.precision[3].values, 8);
  EXPECT_EQ(*wide.precision[3].step, 0.125);
}

TEST(FormatFacts, NeighboursAreThoseOfTheSortedValues) {
  Rng rng(3);
  for (int i = 0; i < 60; ++i) {
    const ElementFormat f = formats::sample_element(rng);
    if (f.bits > 10) continue;
    const ValueLine line(f);
    for (const CodeValue& row : list_codes(f)) {
      if (!row.value.is_finite()) continue;
      const CodeValue *below = line.below(row.value), *above = line.above(row.value);
      for (const CodeValue& other : line.values()) {
        const int side = formats::compare(other.value, row.value);
        if (side < 0) ASSERT_TRUE(below != nullptr && formats::compare(other.value, below->value) <= 0);
        if (side > 0) ASSERT_TRUE(above != nullptr && formats::compare(other.value, above->value) >= 0);
      }
      if (below != nullptr) ASSERT_LT(formats::compare(below->value, row.value), 0);
      if (above != nullptr) ASSERT_GT(formats::compare(above->value, row.value), 0);
    }
  }
}

TEST(FormatFacts, FieldsFillTheCode) {
  Rng rng(4);
  for (int i = 0; i < 200; ++i) {
    const ElementFormat f = formats::sample_element(rng);
    int bits = 0;
    for (const Field& field : fields_of(f)) bits += field.bits;
    EXPECT_EQ(bits, f.bits) << formats::print(f);
  }
}

TEST(FormatFacts, TextOfValues) {
  EXPECT_EQ(value_text(Exact::of(-0.001953125)), "-0.001953125");
  EXPECT_EQ(value_text(Exact::of(-0.0)), "-0");
  EXPECT_EQ(value_text(Exact::infinity(true)), "-inf");
  EXPECT_EQ(value_text(Exact::nan()), "nan");
  EXPECT_EQ(value_text(Exact::finite(true, 3, 8999)), "-1.5*2^9000");
}

}  // namespace
}  // namespace lowbit::eval

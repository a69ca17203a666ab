#include <gtest/gtest.h>

#include <cstring>

#include "tensor/packed.h"
#include "tensor/packed_oracle.h"

namespace lowbit::tensor {
namespace {

using formats::ElementFormat;
using formats::ElementKind;
using formats::Format;
using formats::kGroupRow;
using formats::kGroupTensor;
using formats::ScaleLevel;

ElementFormat integer(int bits, bool is_signed = false) {
  ElementFormat element;
  element.kind = ElementKind::integer;
  element.bits = static_cast<uint8_t>(bits);
  element.is_signed = is_signed;
  element.exponent_bits = element.mantissa_bits = 0;
  element.bias = 0;
  element.nan = formats::NanKind::none;
  return element;
}

Format parse(const char* text) {
  auto format = formats::parse_format(text);
  EXPECT_TRUE(format.ok()) << text << (format.ok() ? "" : format.message());
  return *format;
}

void expect_section(const PackedLayout::Section& section, uint64_t offset, uint64_t bytes, int bits, int64_t groups,
                    int64_t group) {
  EXPECT_EQ(section.offset, offset);
  EXPECT_EQ(section.bytes, bytes);
  EXPECT_EQ(section.bits, bits);
  EXPECT_EQ(section.groups, groups);
  EXPECT_EQ(section.group, group);
}

TEST(PackedLayout, GroupsWithZeroPoints) {
  // 2 row blocks x 18 steps x 256 bytes; 5 groups, the last of 64 columns.
  const auto layout = PackedLayout::of(parse("int4/128:f16+zp"), 17, 576);
  ASSERT_TRUE(layout.ok());
  EXPECT_EQ(layout->code_bytes, 9216u);
  ASSERT_EQ(layout->scales.size(), 1u);
  expect_section(layout->scales[0], 9216, 320, 16, 5, 128);
  expect_section(layout->minimums[0], 9536, 80, 4, 5, 128);
  EXPECT_EQ(layout->total_bytes, 9616u);
}

TEST(PackedLayout, ThreeValuesAreFiveToAByte) {
  // 40 units in 8 vectors of 64 bytes; 144 in 29, 1024 in 205.
  for (const auto& [cols, vectors] : {std::pair{1, 2u}, {32, 2u}, {33, 4u}, {160, 8u}, {576, 29u}, {4096, 205u}}) {
    EXPECT_EQ(PackedLayout::of(parse("ternary/32:f16"), 17, cols)->code_bytes, 2 * vectors * 64) << cols;
    EXPECT_EQ(PackedLayout::of(parse("[0,2,-1]"), 16, cols)->total_bytes, vectors * 64) << cols;
  }
  EXPECT_EQ(PackedLayout::of(parse("[0,2,-1,1]"), 16, 160)->code_bytes, 10u * 64);
  EXPECT_EQ(PackedLayout::of(parse("[0,2]"), 16, 160)->code_bytes, 5u * 64);
}

TEST(PackedLayout, SuperBlocks) {
  const auto layout = PackedLayout::of(parse("uint4/32:uint6+uint6/256:f16+f16"), 1, 576);
  ASSERT_TRUE(layout.ok());
  EXPECT_EQ(layout->code_bytes, 4608u);
  ASSERT_EQ(layout->scales.size(), 2u);
  expect_section(layout->scales[0], 4608, 216, 6, 18, 32);
  expect_section(layout->minimums[0], 4864, 216, 6, 18, 32);
  expect_section(layout->scales[1], 5120, 96, 16, 3, 256);
  expect_section(layout->minimums[1], 5248, 96, 16, 3, 256);
  EXPECT_EQ(layout->total_bytes, 5344u);
}

TEST(PackedLayout, TensorLevel) {
  const auto layout = PackedLayout::of(parse("e2m1/16:e4m3fn/tensor:f32"), 3, 33);
  ASSERT_TRUE(layout.ok());
  EXPECT_EQ(layout->code_bytes, 512u);
  expect_section(layout->scales[0], 512, 48, 8, 3, 16);
  EXPECT_EQ(layout->minimums[0].bytes, 0u);
  expect_section(layout->scales[1], 576, 4, 32, 0, 33);
  EXPECT_EQ(layout->total_bytes, 580u);
}

TEST(PackedLayout, RowLevelAndGroupLongerThanRow) {
  Format format{integer(3), {ScaleLevel{kGroupRow, parse("f16").element, std::nullopt, false}}};
  auto layout = PackedLayout::of(format, 33, 100);
  ASSERT_TRUE(layout.ok());
  EXPECT_EQ(layout->code_bytes, 3u * 4 * 64 * 3);
  expect_section(layout->scales[0], 2304, 96, 16, 1, 100);
  format.levels[0].group = 512;
  layout = PackedLayout::of(format, 33, 100);
  ASSERT_TRUE(layout.ok());
  expect_section(layout->scales[0], 2304, 96, 16, 1, 512);
}

TEST(PackedLayout, PlainElements) {
  EXPECT_EQ(PackedLayout::of(parse("f16"), 17, 3)->total_bytes, 2u * 16 * 3 * 2);
  EXPECT_EQ(PackedLayout::of(parse("f32"), 17, 3)->total_bytes, 2u * 16 * 3 * 4);
  EXPECT_EQ(PackedLayout::of(parse("e4m3fn"), 16, 33)->total_bytes, 1024u);
  for (int bits = 1; bits <= 8; ++bits) {
    EXPECT_EQ(PackedLayout::of(Format{integer(bits), {}}, 1, 1)->total_bytes, 64u * bits);
  }
  for (int bits = 9; bits <= 16; ++bits) {
    EXPECT_EQ(PackedLayout::of(Format{integer(bits), {}}, 1, 1)->total_bytes, 32u);
  }
}

TEST(PackedLayout, ErrorsInsteadOfOverflow) {
  const Format format = parse("uint4/32:uint6+uint6/256:f16+f16");
  const int64_t most = INT64_MAX;
  const int64_t sizes[][2] = {
      {0, 4},          {4, 0},          {-1, 4},           {4, -16},        {INT64_MIN, 1},
      {most, most},    {most, 1},       {1, most},         {most - 15, 16}, {1ll << 32, 1ll << 32},
      {1ll << 62, 32}, {16, 1ll << 60}, {1ll << 40, 65536}};
  for (const auto& size : sizes) {
    const auto layout = PackedLayout::of(format, size[0], size[1]);
    EXPECT_FALSE(layout.ok()) << size[0] << " x " << size[1];
    EXPECT_FALSE(PackedMatrix::allocate(format, size[0], size[1]).ok());
    EXPECT_FALSE(PackedMatrix::view(format, size[0], size[1], {}, nullptr).ok());
  }
  // The largest that is taken has exact sizes.
  const auto layout = PackedLayout::of(format, 1ll << 20, 1ll << 32);
  ASSERT_TRUE(layout.ok());
  EXPECT_EQ(layout->code_bytes, 1ull << 51);
}

TEST(PackedLayout, ErrorsForFormatsWithoutALayout) {
  const ElementFormat f16 = parse("f16").element;
  const auto fails = [](const Format& format) { return !PackedLayout::of(format, 4, 64).ok(); };
  const auto level = [&](int64_t group) { return ScaleLevel{group, f16, std::nullopt, false}; };
  EXPECT_FALSE(fails(Format{integer(4), {level(16), level(32), level(kGroupRow), level(kGroupTensor)}}));
  EXPECT_TRUE(fails(Format{integer(4), {level(0)}}));
  EXPECT_TRUE(fails(Format{integer(4), {level(-3)}}));
  EXPECT_TRUE(fails(Format{integer(4), {level(32), level(48)}}));
  EXPECT_TRUE(fails(Format{integer(4), {level(kGroupRow), level(32)}}));
  EXPECT_TRUE(fails(Format{integer(4), {level(kGroupTensor), level(kGroupRow)}}));
  EXPECT_TRUE(fails(Format{integer(20), {}}));
  Format zero_point{f16, {level(32)}};
  zero_point.levels[0].zero_point = true;
  EXPECT_TRUE(fails(zero_point));
}

// --- bytes written out by hand

std::vector<int> bytes_of(const PackedMatrix& matrix, uint64_t offset, int count) {
  std::vector<int> out;
  for (int i = 0; i < count; ++i) out.push_back(static_cast<int>(matrix.bytes()[offset + i]));
  return out;
}

TEST(PackedBytes, FiveBits) {
  // One row whose code is its column: a plane of four high bits, two units to a vector, then the lowest bit.
  PackedMatrix matrix = *PackedMatrix::allocate(Format{integer(5), {}}, 1, 32);
  Codes codes;
  for (int i = 0; i < 32; ++i) codes.codes.push_back(static_cast<uint16_t>(i));
  pack_rows(codes, 0, 1, matrix);
  EXPECT_EQ(bytes_of(matrix, 0, 6), (std::vector<int>{0x20, 0x20, 0x31, 0x31, 0, 0}));
  EXPECT_EQ(bytes_of(matrix, 64, 4), (std::vector<int>{0x64, 0x64, 0x75, 0x75}));
  EXPECT_EQ(bytes_of(matrix, 128, 4), (std::vector<int>{0xa8, 0xa8, 0xb9, 0xb9}));
  EXPECT_EQ(bytes_of(matrix, 192, 4), (std::vector<int>{0xec, 0xec, 0xfd, 0xfd}));
  EXPECT_EQ(bytes_of(matrix, 256, 6), (std::vector<int>{0x00, 0xff, 0x00, 0xff, 0, 0}));
}

TEST(PackedBytes, ThreeBitsSecondRow) {
  // Row 1 of two, columns 0..31 with codes column mod 8: planes of two bits (four units to a vector) and one.
  PackedMatrix matrix = *PackedMatrix::allocate(Format{integer(3), {}}, 2, 32);
  Codes codes;
  codes.codes.assign(64, 0);
  for (int i = 0; i < 32; ++i) codes.codes[32 + i] = static_cast<uint16_t>(i % 8);
  pack_rows(codes, 0, 2, matrix);
  // Units alternate 0 1 2 3 and 4 5 6 7; high bits of column 0 of units 0..3: 0, 2, 0, 2 -> 0b10001000.
  EXPECT_EQ(bytes_of(matrix, 0, 8), (std::vector<int>{0, 0, 0, 0, 0x88, 0x88, 0xdd, 0xdd}));
  EXPECT_EQ(bytes_of(matrix, 64, 8), (std::vector<int>{0, 0, 0, 0, 0x88, 0x88, 0xdd, 0xdd}));
  EXPECT_EQ(bytes_of(matrix, 128, 8), (std::vector<int>{0, 0, 0, 0, 0x00, 0xff, 0x00, 0xff}));
}

TEST(PackedBytes, EightBits) {
  PackedMatrix matrix = *PackedMatrix::allocate(Format{integer(8), {}}, 17, 5);
  Codes codes;
  for (int i = 0; i < 17 * 5; ++i) codes.codes.push_back(static_cast<uint16_t>(i));
  pack_rows(codes, 0, 17, matrix);
  EXPECT_EQ(bytes_of(matrix, 0, 8), (std::vector<int>{0, 1, 2, 3, 5, 6, 7, 8}));
  EXPECT_EQ(bytes_of(matrix, 64, 8), (std::vector<int>{4, 0, 0, 0, 9, 0, 0, 0}));
  EXPECT_EQ(bytes_of(matrix, 512, 8), (std::vector<int>{80, 81, 82, 83, 0, 0, 0, 0}));
}

TEST(PackedBytes, Words) {
  PackedMatrix matrix = *PackedMatrix::allocate(Format{integer(12), {}}, 2, 2);
  Codes codes;
  codes.codes = {0x123, 0x456, 0x789, 0xabc};
  pack_rows(codes, 0, 2, matrix);
  EXPECT_EQ(bytes_of(matrix, 0, 6), (std::vector<int>{0x23, 0x01, 0x89, 0x07, 0, 0}));
  EXPECT_EQ(bytes_of(matrix, 32, 6), (std::vector<int>{0x56, 0x04, 0xbc, 0x0a, 0, 0}));
}

TEST(PackedBytes, Floats) {
  const float values[] = {1.0f, -2.0f, 0.5f, 3.0f};
  const auto matrix = pack_plain(parse("f32"), 2, 2, values);
  ASSERT_TRUE(matrix.ok());
  EXPECT_EQ(bytes_of(*matrix, 0, 8), (std::vector<int>{0, 0, 0x80, 0x3f, 0, 0, 0, 0x3f}));
  EXPECT_EQ(bytes_of(*matrix, 64, 8), (std::vector<int>{0, 0, 0, 0xc0, 0, 0, 0x40, 0x40}));
}

// Nothing that is stored or multiplied comes past this.
TEST(PackedLayout, ScalesOfSeveralRowsAreRefused) {
  for (const char* text : {"e4m3fn/128x128:f32", "e2m1/16x16:e4m3fn/tensor:f32", "int4/16/2x32"}) {
    const auto layout = PackedLayout::of(*formats::parse_format(text), 256, 256);
    ASSERT_FALSE(layout.ok()) << text;
    EXPECT_NE(layout.message().find(text), std::string::npos) << layout.message();
    EXPECT_NE(layout.message().find("expected groups within a row"), std::string::npos) << layout.message();
  }
}

TEST(PackedBytes, SixBitScalesAndZeroPoints) {
  Format format{integer(4), {ScaleLevel{4, integer(6), std::nullopt, true}}};
  PackedMatrix matrix = *PackedMatrix::allocate(format, 4, 8);
  Codes codes;
  codes.codes.assign(32, 0);
  codes.scales = {{1, 60, 2, 0, 3, 0, 4, 63}};
  codes.minimums = {{5, 15, 6, 0, 7, 0, 8, 1}};
  pack_rows(codes, 0, 4, matrix);
  // Group 0 of rows 0..3: 1 | 2 << 6 | 3 << 12 | 4 << 18 = 0x103081; group 1: 60 | 63 << 18 = 0xfc003c.
  EXPECT_EQ(bytes_of(matrix, 256, 4), (std::vector<int>{0x81, 0x30, 0x10, 0}));
  EXPECT_EQ(bytes_of(matrix, 268, 4), (std::vector<int>{0x3c, 0x00, 0xfc, 0}));
  EXPECT_EQ(bytes_of(matrix, 320, 3), (std::vector<int>{0x65, 0x87, 0}));
  EXPECT_EQ(bytes_of(matrix, 328, 3), (std::vector<int>{0x0f, 0x10, 0}));
  EXPECT_EQ(matrix.bytes().size(), 336u);
}

}  // namespace
}  // namespace lowbit::tensor

#include "tensor/packed.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstring>

#include "formats/sample.h"
#include "tensor/codes_block.h"
#include "tensor/gather.h"
#include "tensor/group_values.h"
#include "tensor/packed_oracle.h"

namespace lowbit::tensor {
namespace {

using formats::Format;

constexpr int64_t kSizes[] = {1, 3, 15, 17, 33, 100, 576};

uint32_t bits_of(float x) { return std::bit_cast<uint32_t>(x); }

// NaNs are one value here: their payload is nobody's contract.
bool same(float a, float b) { return bits_of(a) == bits_of(b) || (a != a && b != b); }

std::vector<uint8_t> image_of(const PackedMatrix& matrix) {
  std::vector<uint8_t> out(matrix.bytes().size());
  std::memcpy(out.data(), matrix.bytes().data(), out.size());
  return out;
}

void expect_same_codes(const Codes& a, const Codes& b) {
  EXPECT_EQ(a.codes, b.codes);
  EXPECT_EQ(a.scales, b.scales);
  EXPECT_EQ(a.minimums, b.minimums);
}

// The rows [begin, end) of codes of a whole matrix.
Codes slice(const Codes& all, const Format& format, int64_t begin, int64_t end, int64_t cols) {
  const auto part = [&](const auto& from, int64_t per_row) {
    if (from.empty()) return from;
    return std::decay_t<decltype(from)>(from.begin() + begin * per_row, from.begin() + end * per_row);
  };
  Codes out;
  out.codes = part(all.codes, cols);
  for (size_t i = 0; i < format.levels.size(); ++i) {
    const bool whole = format.levels[i].group == formats::kGroupTensor;
    const int64_t groups = oracle::groups_of(format.levels[i], cols);
    out.scales.push_back(whole ? all.scales[i] : part(all.scales[i], groups));
    out.minimums.push_back(whole ? all.minimums[i] : part(all.minimums[i], groups));
  }
  return out;
}

void check_codes_block(const PackedMatrix& matrix, const Codes& codes) {
  const int64_t rows = matrix.rows(), cols = matrix.cols();
  std::vector<uint8_t> units(padded_units(cols) * 64);
  for (int64_t block = 0; block * 16 < rows; ++block) {
    std::fill(units.begin(), units.end(), uint8_t{0xee});
    unpack_codes_block(matrix, block, units.data());
    int wrong = 0;
    for (int64_t i = 0; i < static_cast<int64_t>(units.size()); ++i) {
      const int64_t row = block * 16 + i % 64 / 4, col = i / 64 * 4 + i % 4;
      wrong += units[i] != (row < rows && col < cols ? codes.codes[row * cols + col] : 0);
    }
    EXPECT_EQ(wrong, 0) << "row block " << block;
  }
}

void check_group_values(const PackedMatrix& matrix, const Codes& codes) {
  const Format& format = matrix.format();
  const int64_t rows = matrix.rows(), cols = matrix.cols();
  const int64_t groups = value_groups(matrix), columns = value_group_columns(matrix);
  ASSERT_EQ(groups, (cols + columns - 1) / columns);
  std::vector<float> scales(groups * 16, -7), minimums(groups * 16, -7);
  std::vector<int16_t> zeros(groups * 16, -7);
  for (int64_t block = 0; block * 16 < rows; ++block) {
    group_values(matrix, block, scales, minimums, zeros);
    int wrong = 0;
    for (int64_t row = block * 16; row < std::min(rows, block * 16 + 16); ++row) {
      for (int64_t g = 0; g < groups; ++g) {
        const int64_t at = g * 16 + row % 16;
        const float scale = oracle::combined(format, codes, false, row, g * columns, cols);
        const float minimum =
            format.has_minimum() ? oracle::combined(format, codes, true, row, g * columns, cols) : 0.0f;
        int zero = 0;
        if (format.has_zero_point()) {
          const bool whole = format.levels[0].group == formats::kGroupTensor;
          zero = oracle::integer_of(format.element, codes.minimums[0][whole ? 0 : row * groups + g]);
        }
        wrong += !same(scales[at], scale) || !same(minimums[at], minimum) || zeros[at] != zero;
      }
    }
    EXPECT_EQ(wrong, 0) << "row block " << block;
  }
  group_values(matrix, 0, scales, {}, {});
}

void check_values(const PackedMatrix& matrix, const Codes& codes) {
  const int64_t rows = matrix.rows(), cols = matrix.cols();
  std::vector<float> all(rows * cols), row_values(cols);
  dequantize_rows(matrix, 0, rows, all.data());
  int wrong = 0, row_wrong = 0;
  for (int64_t row = 0; row < rows; ++row) {
    dequantize_row(matrix, row, row_values.data());
    for (int64_t col = 0; col < cols; ++col) {
      wrong += !same(all[row * cols + col], oracle::value(matrix.format(), codes, row, col, cols));
      row_wrong += bits_of(all[row * cols + col]) != bits_of(row_values[col]);
    }
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(row_wrong, 0);
  if (rows < 2) return;
  std::vector<float> part(cols);
  dequantize_rows(matrix, rows - 1, rows, part.data());  // a range that starts inside a row block
  EXPECT_EQ(std::memcmp(part.data(), all.data() + (rows - 1) * cols, cols * sizeof(float)), 0);
}

// Everything that the room promises of one format at one size.
void check_matrix(const Format& format, int64_t rows, int64_t cols, uint64_t seed) {
  SCOPED_TRACE(formats::print(format) + fmt::format(" {} x {} seed {}", rows, cols, seed));
  Rng rng(seed);
  const Codes codes = oracle::random_codes(format, rows, cols, rng);
  auto allocated = PackedMatrix::allocate(format, rows, cols);
  ASSERT_TRUE(allocated.ok()) << allocated.message();
  PackedMatrix matrix = *allocated;
  // Last rows first: the order of calls must not matter.
  const int64_t cut = std::min(rows, (rows / 2 + 15) / 16 * 16);
  if (cut < rows) pack_rows(slice(codes, format, cut, rows, cols), cut, rows, matrix);
  pack_rows(slice(codes, format, 0, cut, cols), 0, cut, matrix);
  const std::vector<uint8_t> expected = oracle::pack(format, rows, cols, codes);
  ASSERT_EQ(matrix.layout().total_bytes, expected.size());
  EXPECT_TRUE(image_of(matrix) == expected);
  expect_same_codes(unpack_rows(matrix, 0, rows), codes);
  if (cut < rows) {
    expect_same_codes(unpack_rows(matrix, cut, rows), slice(codes, format, cut, rows, cols));
  }
  // Views read at any address: files may be damaged, and then need not be aligned.
  auto shifted = std::make_shared<std::vector<uint8_t>>(expected.size() + 1);
  std::memcpy(shifted->data() + 1, expected.data(), expected.size());
  const auto bytes = std::as_bytes(std::span<const uint8_t>(*shifted)).subspan(1);
  auto view = PackedMatrix::view(format, rows, cols, bytes, shifted);
  ASSERT_TRUE(view.ok());
  EXPECT_FALSE(PackedMatrix::view(format, rows, cols, bytes.subspan(1), shifted).ok());
  expect_same_codes(unpack_rows(*view, 0, rows), codes);
  if (format.element.bits <= 8) check_codes_block(*view, codes);
  check_group_values(*view, codes);
  check_values(*view, codes);
}

Format parse(const std::string& text) {
  auto format = formats::parse_format(text);
  EXPECT_TRUE(format.ok()) << text << (format.ok() ? "" : ": " + format.message());
  return format.ok() ? *format : Format();
}

// Integers of any width, wider than the language has names for.
Format wide_integer(int bits, bool is_signed) {
  Format format = parse("int8");
  format.element.bits = static_cast<uint8_t>(bits);
  format.element.is_signed = is_signed;
  return format;
}

TEST(PackedMatrix, EveryWidthAtEverySize) {
  uint64_t seed = 0;
  for (int bits = 1; bits <= 16; ++bits) {
    for (const int64_t rows : kSizes) {
      for (const int64_t cols : kSizes) {
        if (rows * cols > 20000 && bits % 3 != 0) continue;
        check_matrix(wide_integer(bits, bits % 2 == 0), rows, cols, ++seed);
      }
    }
  }
}

TEST(PackedMatrix, EveryWidthOfScale) {
  for (int bits = 1; bits <= 16; ++bits) {
    Format format = parse("uint4/24:f16+f16/row:f32");
    format.levels[0].scale = wide_integer(bits, bits % 2 == 1).element;
    format.levels[0].minimum = wide_integer(17 - bits, false).element;
    check_matrix(format, 35, 100, bits);
  }
}

TEST(PackedMatrix, KindsOfFormats) {
  const char* texts[] = {"int4/128:f16+zp",
                         "uint3/32:f16+zp",
                         "int8/row:f32+zp",
                         "uint2/tensor:f32+zp",
                         "int5/16:e4m3fn+zp/64:bf16/row:f16/tensor:f32",
                         "uint4/32:uint6+uint6/256:f16+f16",
                         "uint4/32:uint6+uint6/256:f16",
                         "uint4/32:f16+f16/row:f32/tensor:f32",
                         "uint5/20:f16+bf16/tensor:f32",
                         "int6/16:int8/256:f16",
                         "e2m1/32:e8m0",
                         "e2m1/16:e4m3fn/tensor:f32",
                         "nf4/64:f32",
                         "ternary/128:f16",
                         "ternary",
                         "[1,-2,0.5]/32:f16",
                         "e5m2/row:f32",
                         "e4m3fnuz/1:e5m2",
                         "bf16/100:f16",
                         "e5m10/7:f32+f32/tensor:f16+f16",
                         "f16",
                         "bf16",
                         "e3m2",
                         "fix8.4/48:f16",
                         "int7/1024"};
  uint64_t seed = 1000;
  for (const char* text : texts) {
    for (const int64_t rows : {1, 17, 35}) {
      for (const int64_t cols : {1, 15, 100, 576}) check_matrix(parse(text), rows, cols, ++seed);
    }
  }
}

TEST(PackedMatrix, RandomFormats) {
  Rng rng(2024);
  for (int i = 0; i < 300; ++i) {
    const Format format = formats::sample_format(rng);
    const int64_t rows = kSizes[rng.below(5)], cols = kSizes[rng.below(7)];
    check_matrix(format, rows, cols, 5000 + i);
  }
}

TEST(PackedMatrixDeathTest, WrongUseIsCaught) {
  const Format format = parse("int4/16:f16");
  Rng rng(3);
  PackedMatrix matrix = *PackedMatrix::allocate(format, 20, 32);
  const Codes good = oracle::random_codes(format, 20, 32, rng);
  Codes wide = good;
  wide.codes[7] = 16;  // does not fit in 4 bits
  EXPECT_DEATH(pack_rows(wide, 0, 20, matrix), "");
  EXPECT_DEATH(pack_rows(slice(good, format, 0, 18, 32), 0, 18, matrix), "");  // cuts a row block
  EXPECT_DEATH(pack_rows(slice(good, format, 4, 20, 32), 4, 20, matrix), "");
  EXPECT_DEATH(pack_rows(good, 0, 16, matrix), "");  // more codes than rows
  PackedMatrix view = *PackedMatrix::view(format, 20, 32, matrix.bytes(), nullptr);
  EXPECT_DEATH(pack_rows(good, 0, 20, view), "");
}

TEST(PackedMatrix, RowsInParallelPieces) {
  // Calls for different row blocks write different bytes, but for the one entry of a tensor level (the first call's).
  const Format format = parse("e2m1/16:e4m3fn/tensor:f32");
  Rng rng(7);
  const Codes codes = oracle::random_codes(format, 40, 50, rng);
  PackedMatrix matrix = *PackedMatrix::allocate(format, 40, 50);
  Codes later = slice(codes, format, 16, 40, 50);
  later.scales[1] = {0};
  pack_rows(slice(codes, format, 0, 16, 50), 0, 16, matrix);
  pack_rows(later, 16, 40, matrix);
  EXPECT_TRUE(image_of(matrix) == oracle::pack(format, 40, 50, codes));
}

TEST(PackPlain, EncodesEachValueByItself) {
  Rng rng(5);
  for (const char* text : {"f16", "bf16", "e4m3fn", "e5m2", "int8", "nf4", "fix8.4"}) {
    SCOPED_TRACE(text);
    const Format format = parse(text);
    std::vector<float> values(19 * 37);
    for (float& v : values) v = static_cast<float>(rng.normal() * 20);
    const formats::CastPolicy policy{formats::Rounding::to_zero, formats::Saturation::finite};
    const auto matrix = pack_plain(format, 19, 37, values, policy);
    ASSERT_TRUE(matrix.ok());
    std::vector<float> out(values.size());
    dequantize_rows(*matrix, 0, 19, out.data());
    for (size_t i = 0; i < values.size(); ++i) {
      ASSERT_EQ(bits_of(out[i]), bits_of(format.element.decode(formats::encode(format.element, values[i], policy))));
    }
  }
}

TEST(PackPlain, FloatsKeepTheirBits) {
  std::vector<float> values(33 * 5);
  Rng rng(6);
  for (float& v : values) v = std::bit_cast<float>(rng.next_u32());  // NaNs among them
  const auto matrix = pack_plain(parse("f32"), 33, 5, values);
  ASSERT_TRUE(matrix.ok());
  std::vector<float> out(values.size());
  dequantize_rows(*matrix, 0, 33, out.data());
  EXPECT_EQ(std::memcmp(out.data(), values.data(), values.size() * sizeof(float)), 0);
  for (int64_t row = 0; row < 33; ++row) {
    dequantize_row(*matrix, row, out.data());
    EXPECT_EQ(std::memcmp(out.data(), values.data() + row * 5, 5 * sizeof(float)), 0);
  }
  EXPECT_FALSE(pack_plain(parse("int4/32:f16"), 33, 5, values).ok());
  EXPECT_FALSE(pack_plain(parse("f32"), 0, 5, {}).ok());
}

TEST(PackPlain, StochasticRoundingIsTheSameEachTime) {
  const std::vector<float> values(4096, 0.3f);
  const formats::CastPolicy policy{formats::Rounding::stochastic, formats::Saturation::finite};
  const auto a = pack_plain(parse("int8"), 16, 256, values, policy);
  const auto b = pack_plain(parse("int8"), 16, 256, values, policy);
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_TRUE(image_of(*a) == image_of(*b));
  std::vector<float> out(values.size());
  dequantize_rows(*a, 0, 16, out.data());
  double sum = 0;
  for (const float v : out) {
    ASSERT_TRUE(v == 0 || v == 1);
    sum += v;
  }
  EXPECT_NEAR(sum / 4096, 0.3, 0.04);  // more than five standard deviations
}

}  // namespace
}  // namespace lowbit::tensor

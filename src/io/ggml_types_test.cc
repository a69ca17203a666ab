#include "io/ggml_types.h"

#include <gtest/gtest.h>

#include <bit>

#include "io/model_file.h"
#include "tensor/weight.h"

namespace lowbit::io {
namespace {

// goldens/make_ggml_types.py: for each type random blocks, and their values by the gguf package.
TEST(GgmlTypes, values_are_those_of_the_gguf_package) {
  const auto file = open_model("goldens/ggml-types.gguf");
  ASSERT_TRUE(file.ok()) << file.message();
  const auto& tensors = (*file)->tensors();
  int compared = 0;
  for (size_t i = 0; i + 1 < tensors.size(); i += 2, ++compared) {
    ASSERT_EQ(tensors[i + 1].name, tensors[i].name + ".values");
    const auto weight = (*file)->load(i), expected = (*file)->load(i + 1);
    ASSERT_TRUE(weight.ok()) << weight.message();
    ASSERT_TRUE(expected.ok()) << expected.message();
    const std::vector<float> got = tensor::dequantize(*weight), want = tensor::dequantize(*expected);
    ASSERT_EQ(got.size(), want.size());
    for (size_t j = 0; j < got.size(); ++j) {
      ASSERT_EQ(std::bit_cast<uint32_t>(got[j]), std::bit_cast<uint32_t>(want[j]))
          << tensors[i].name << " element " << j << ": " << got[j] << ", expected " << want[j];
    }
  }
  EXPECT_GE(compared, 25);
}

TEST(GgmlTypes, every_type_has_a_format_and_no_more_bits_than_it) {
  for (const GgmlType& type : ggml_types()) {
    EXPECT_EQ(find_ggml_type(type.id), &type);
    EXPECT_EQ(ggml_type_name(type.id), type.name);
    const auto format = formats::parse_format(type.format);
    ASSERT_TRUE(format.ok()) << type.name;
    EXPECT_EQ(formats::print(*format), type.format) << type.name;
    if (type.blocks == nullptr) continue;
    EXPECT_EQ(find_ggml_type(*format), &type);
    uint64_t bits = type.block_elements * format->element.bits;  // TQ2_0 has 2 where tensor/ has 1.6
    for (const auto& level : format->levels) {
      bits += type.block_elements / static_cast<uint64_t>(level.group > 0 ? level.group : 1) *
              static_cast<uint64_t>(level.scale.bits + (level.minimum ? level.minimum->bits : 0));
    }
    EXPECT_EQ(bits, type.block_bytes * 8) << type.name;
  }
  EXPECT_EQ(find_ggml_type(41), nullptr);
  EXPECT_EQ(ggml_type_name(41), "Q1_0");
  EXPECT_EQ(ggml_type_name(139), "IQ4_K of ik_llama.cpp");
  EXPECT_EQ(ggml_type_name(1000), "");
  EXPECT_EQ(find_ggml_type(formats::parse_format("int4/64").value()), nullptr);
}

uint8_t mix(uint64_t n) {
  n = (n ^ n >> 31) * 0x9E3779B97F4A7C15u;
  return static_cast<uint8_t>((n ^ n >> 29) * 0xBF58476D1CE4E5B9u >> 56);
}

// What is written is what was read, for random bytes of every type, and for more rows than are repacked at a time.
TEST(GgmlTypes, writing_inverts_reading) {
  constexpr int64_t kRows = 83, kCols = 512;
  uint64_t draw = 0;
  for (const GgmlType& type : ggml_types()) {
    if (type.blocks == nullptr) continue;
    std::vector<std::byte> data(static_cast<size_t>(kRows * kCols) / type.block_elements * type.block_bytes);
    for (std::byte& b : data) b = static_cast<std::byte>(mix(draw++));
    // No code that is not read as it stands: ternary has three codes, ggml's e2m1 no -0; and no NaN of f32.
    const bool restricted = type.name == "TQ2_0" || type.name == "MXFP4" || type.name == "F32";
    for (std::byte& b : data) b = restricted ? b & std::byte{0x11} : b;
    const auto format = formats::parse_format(type.format).value();
    const auto packed = type.repack(format, kRows, kCols, data);
    ASSERT_TRUE(packed.ok()) << packed.message();
    std::vector<std::byte> again, some;
    for (int64_t begin = 0; begin < kRows; begin += 32) {
      type.blocks(*packed, begin, std::min(kRows, begin + 32), some);
      again.insert(again.end(), some.begin(), some.end());
    }
    EXPECT_TRUE(again == data) << type.name;
  }
}

TEST(GgmlTypes, a_fourth_code_of_ternary_is_an_error) {
  const auto* type = find_ggml_type(35);
  const std::vector<std::byte> data(66, std::byte{0x03});
  const auto packed = type->repack(formats::parse_format(type->format).value(), 1, 256, data);
  ASSERT_FALSE(packed.ok());
  EXPECT_NE(packed.message().find("code 3"), std::string::npos) << packed.message();
}

TEST(GgmlTypes, doubles_become_the_nearest_float) {
  const auto* type = find_ggml_type(28);
  const double values[] = {0.1, -3.0, 1e300};
  const auto format = formats::parse_format("f32").value();
  const auto two = type->repack(format, 1, 2, std::as_bytes(std::span(values).first(2)));
  ASSERT_TRUE(two.ok());
  float out[2];
  tensor::dequantize_rows(*two, 0, 1, out);
  EXPECT_EQ(out[0], 0.1f);
  EXPECT_EQ(out[1], -3.0f);
  EXPECT_FALSE(type->repack(format, 1, 3, std::as_bytes(std::span(values))).ok());
}

}  // namespace
}  // namespace lowbit::io

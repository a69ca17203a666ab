#include "io/gguf.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "io/ggml_types.h"
#include "io/test_files.h"

namespace lowbit::io {
namespace {

using nlohmann::json;
using test::Bytes;
using test::gguf_file;
using test::GgufTensor;

Result<std::shared_ptr<const ModelFile>> open_text(std::string_view text) {
  return open_gguf(Source::memory("x.gguf", test::bytes_of(text)));
}

// The file must be refused, with all of these words.
void expect_error(const std::string& text, std::initializer_list<std::string_view> words) {
  const auto file = open_text(text);
  ASSERT_FALSE(file.ok());
  for (const std::string_view word : words) {
    EXPECT_NE(file.message().find(word), std::string::npos) << file.message() << "\nlacks: " << word;
  }
  EXPECT_NE(file.message().find("x.gguf"), std::string::npos) << file.message();
}

TEST(Gguf, metadata_of_all_value_types) {
  Bytes kv;
  kv.str("u8").u32(0).u8(200);
  kv.str("i8").u32(1).u8(0xFE);
  kv.str("u16").u32(2).u16(65535);
  kv.str("i16").u32(3).u16(0x8000);
  kv.str("u32").u32(4).u32(4000000000u);
  kv.str("i32").u32(5).u32(0xFFFFFFFFu);
  kv.str("f32").u32(6).f32(0.1f);
  kv.str("bool").u32(7).u8(1);
  kv.str("text").u32(8).str("h\xC3\xA9llo");
  kv.str("array").u32(9).u32(5).u64(3).u32(1).u32(0xFFFFFFFEu).u32(3);
  kv.str("u64").u32(10).u64(~uint64_t{0});
  kv.str("i64").u32(11).u64(uint64_t{1} << 63);
  kv.str("f64").u32(12).f64(1e300);
  kv.str("nested").u32(9).u32(9).u64(2);
  kv.u32(8).u64(1).str("a");
  kv.u32(7).u64(2).u8(0).u8(1);
  kv.str("empty").u32(9).u32(12).u64(0);
  kv.str("nan").u32(6).f32(std::numeric_limits<float>::quiet_NaN());
  kv.str("inf").u32(12).f64(-std::numeric_limits<double>::infinity());
  for (const uint32_t version : {2u, 3u}) {
    const auto file = open_text(gguf_file(kv, 17, {}, version));
    ASSERT_TRUE(file.ok()) << file.message();
    EXPECT_EQ((*file)->kind(), version == 2 ? "gguf v2" : "gguf v3");
    const json expected = {{"u8", 200},
                           {"i8", -2},
                           {"u16", 65535},
                           {"i16", -32768},
                           {"u32", 4000000000u},
                           {"i32", -1},
                           {"f32", 0.100000001490116119384765625},
                           {"bool", true},
                           {"text", "h\xC3\xA9llo"},
                           {"array", {1, -2, 3}},
                           {"u64", 18446744073709551615u},
                           {"i64", std::numeric_limits<int64_t>::min()},
                           {"f64", 1e300},
                           {"nested", json::array({json::array({"a"}), json::array({false, true})})},
                           {"empty", json::array()},
                           {"nan", "NaN"},
                           {"inf", "-Infinity"}};
    EXPECT_EQ((*file)->metadata(), expected) << (*file)->metadata().dump();
    EXPECT_TRUE((*file)->tensors().empty());
  }
}

TEST(Gguf, strings_keep_their_bytes) {
  Bytes kv;
  kv.str("tokens")
      .u32(9)
      .u32(8)
      .u64(4)
      .str("\xFF\xC3")
      .str("")
      .str(std::string_view("a\0b", 3))
      .str("\xF4\x8F\xBF\xBF");
  const auto file = open_text(gguf_file(kv, 1, {}));
  ASSERT_TRUE(file.ok()) << file.message();
  const auto tokens = (*file)->metadata().at("tokens").get<std::vector<std::string>>();
  EXPECT_EQ(tokens, (std::vector<std::string>{"\xFF\xC3", "", std::string("a\0b", 3), "\xF4\x8F\xBF\xBF"}));
}

// Half-precision codes used below: 0x3C00 = 1, 0x3800 = 0.5, 0xC000 = -2, 0x2E66 = 0.0999755859375.
std::string q8_0_block(uint16_t d, int first) {
  Bytes b;
  b.u16(d);
  for (int j = 0; j < 32; ++j) b.u8(static_cast<uint8_t>(first + 7 * j));
  return b.text();
}

std::string nibbles(int low, int high) {
  Bytes b;
  for (int j = 0; j < 16; ++j)
    b.u8(static_cast<uint64_t>((low + j) % 16) | static_cast<uint64_t>((high + 3 * j) % 16) << 4);
  return b.text();
}

std::vector<float> load_values(const std::string& text, std::string_view format) {
  const auto file = open_text(text);
  EXPECT_TRUE(file.ok()) << file.message();
  if (!file.ok()) return {};
  EXPECT_EQ(formats::print((*file)->tensors()[0].parts[0].format), format);
  const auto weight = (*file)->load(0);
  EXPECT_TRUE(weight.ok()) << weight.message();
  if (!weight.ok()) return {};
  EXPECT_EQ(weight->shape, (*file)->tensors()[0].shape);
  return tensor::dequantize(*weight);
}

TEST(Gguf, q8_0_blocks) {
  // Two rows of two blocks.
  const std::string data =
      q8_0_block(0x3C00, 1) + q8_0_block(0xC000, -128) + q8_0_block(0x2E66, 5) + q8_0_block(0x3800, 0);
  const auto values = load_values(gguf_file({}, 0, {{"w", {64, 2}, 8, data}}), "q8_0");
  ASSERT_EQ(values.size(), 128u);
  const double scales[] = {1, -2, 0.0999755859375, 0.5};
  const int firsts[] = {1, -128, 5, 0};
  for (int block = 0; block < 4; ++block) {
    for (int j = 0; j < 32; ++j) {
      const auto q = static_cast<int8_t>(static_cast<uint8_t>(firsts[block] + 7 * j));
      EXPECT_EQ(values[static_cast<size_t>(block * 32 + j)], static_cast<float>(scales[block] * q))
          << block << " " << j;
    }
  }
}

TEST(Gguf, q4_0_blocks) {
  const std::string data = Bytes().u16(0x2E66).raw(nibbles(3, 9)).u16(0xC000).raw(nibbles(0, 15)).text();
  const auto values = load_values(gguf_file({}, 0, {{"w", {32, 2}, 2, data}}), "q4_0");
  ASSERT_EQ(values.size(), 64u);
  const double scales[] = {0.0999755859375, -2};
  const int low[] = {3, 0}, high[] = {9, 15};
  for (int row = 0; row < 2; ++row) {
    for (int j = 0; j < 16; ++j) {
      const int a = (low[row] + j) % 16, b = (high[row] + 3 * j) % 16;
      EXPECT_EQ(values[static_cast<size_t>(row * 32 + j)], static_cast<float>(scales[row] * (a - 8)));
      EXPECT_EQ(values[static_cast<size_t>(row * 32 + j + 16)], static_cast<float>(scales[row] * (b - 8)));
    }
  }
}

TEST(Gguf, q4_1_blocks_of_many_rows) {
  // 83 rows: more than are repacked at a time, and no multiple of a row block.
  constexpr int kRows = 83;
  Bytes data;
  for (int row = 0; row < kRows; ++row) {
    data.u16(row % 2 == 0 ? 0x2E66 : 0x3800).u16(row % 3 == 0 ? 0xC000 : 0x2E66).raw(nibbles(row % 16, row % 7));
  }
  const auto values = load_values(gguf_file({}, 0, {{"w", {32, kRows}, 3, data.text()}}), "q4_1");
  ASSERT_EQ(values.size(), static_cast<size_t>(kRows * 32));
  for (int row = 0; row < kRows; ++row) {
    const double d = row % 2 == 0 ? 0.0999755859375 : 0.5, m = row % 3 == 0 ? -2 : 0.0999755859375;
    for (int j = 0; j < 16; ++j) {
      const int a = (row % 16 + j) % 16, b = (row % 7 + 3 * j) % 16;
      EXPECT_EQ(values[static_cast<size_t>(row * 32 + j)], static_cast<float>(d * a + m)) << row << " " << j;
      EXPECT_EQ(values[static_cast<size_t>(row * 32 + j + 16)], static_cast<float>(d * b + m)) << row << " " << j;
    }
  }
}

TEST(Gguf, words_and_floats) {
  const std::string f16 = Bytes().u16(0x3C00).u16(0xC000).u16(0x0001).u16(0x7BFF).u16(0x8000).u16(0x2E66).text();
  const auto halves = load_values(gguf_file({}, 0, {{"w", {3, 2}, 1, f16}}), "f16");
  EXPECT_EQ(halves, (std::vector<float>{1, -2, 0x1p-24f, 65504, -0.0f, 0.0999755859375f}));
  EXPECT_TRUE(std::signbit(halves[4]));
  const std::string bf16 = Bytes().u16(0x3F80).u16(0xC000).u16(0x0001).u16(0x7F7F).text();
  EXPECT_EQ(load_values(gguf_file({}, 0, {{"w", {4}, 30, bf16}}), "bf16"),
            (std::vector<float>{1, -2, 0x1p-133f, 0x1.FEp127f}));
  const std::string f32 = Bytes().f32(1.25f).f32(-0.0f).f32(0x1p-149f).f32(3e38f).f32(0.1f).text();
  EXPECT_EQ(load_values(gguf_file({}, 0, {{"norm", {5}, 0, f32}}), "f32"),
            (std::vector<float>{1.25f, -0.0f, 0x1p-149f, 3e38f, 0.1f}));
}

// Each of many tensors is looked up; a search through the list for each would take minutes.
TEST(Gguf, many_tensors_are_found_by_name) {
  constexpr int kTensors = 200000;
  const auto name = [](int i) { return fmt::format("a.long.name.of.a.tensor.{}", i); };
  Bytes file;
  file.raw("GGUF").u32(3).u64(kTensors).u64(0);
  for (int i = 0; i < kTensors; ++i) file.str(name(i)).u32(1).u64(1).u32(0).u64(uint64_t{32} * i);
  const auto opened = open_text(file.pad(32).raw(std::string(size_t{32} * kTensors, '\0')).text());
  ASSERT_TRUE(opened.ok()) << opened.message();
  for (int i = 0; i < kTensors; ++i) ASSERT_EQ((*opened)->find(name(i)), i);
}

TEST(Gguf, tensor_list) {
  Bytes kv;
  kv.str("general.alignment").u32(4).u32(64);
  const std::string norm(12, 'n'), matrix(6 * 34, 'q');
  const std::string text = gguf_file(kv, 1, {{"norm", {3}, 0, norm}, {"w", {64, 3}, 8, matrix}}, 3, 64);
  const auto file = open_text(text);
  ASSERT_TRUE(file.ok()) << file.message();
  const auto tensors = (*file)->tensors();
  ASSERT_EQ(tensors.size(), 2u);
  EXPECT_EQ(tensors[0].shape, std::vector<int64_t>{3});
  EXPECT_EQ(tensors[0].parts[0].rows, 1);
  EXPECT_EQ(tensors[1].shape, (std::vector<int64_t>{3, 64}));
  EXPECT_EQ(tensors[1].parts[0].rows, 3);
  EXPECT_EQ(tensors[1].bytes, 6u * 34);
  EXPECT_EQ(tensors[1].parameters(), 192);
  EXPECT_EQ((*file)->find("w"), 1);
  EXPECT_EQ((*file)->find("v"), -1);
  EXPECT_EQ((*file)->file_bytes(), text.size());
  // The second tensor begins at 64, not at 32.
  const auto weight = (*file)->load(1);
  ASSERT_TRUE(weight.ok()) << weight.message();
  EXPECT_EQ(tensor::unpack_rows(weight->parts[0], 0, 3).codes[0], static_cast<uint16_t>('q'));
  (*file)->release(1);
}

TEST(Gguf, errors_name_what_is_wrong) {
  const std::string four(4, 'x');
  expect_error("", {"ends inside"});
  expect_error("GGML", {"offset 0", "GGUF"});
  expect_error(Bytes().raw("GGUF").u32(1).u64(0).u64(0).text(), {"version 1", "2 or 3"});
  expect_error(Bytes().raw("GGUF").u32(4).u64(0).u64(0).text(), {"version 4"});
  expect_error(Bytes().raw("GGUF").raw(std::string_view("\0\0\0\3", 4)).u64(0).u64(0).text(), {"big-endian"});
  expect_error(gguf_file({}, 0, {{"w", {128}, 41, std::string(18, 'x')}}), {"\"w\"", "Q1_0", "Q4_0"});
  expect_error(gguf_file({}, 0, {{"w", {1}, 777, four}}), {"\"w\"", "unknown type 777"});
  expect_error(gguf_file({}, 0, {{"w", {33, 2}, 2, std::string(36, 'x')}}), {"\"w\"", "33", "multiple of 32"});
  expect_error(gguf_file({}, 0, {{"w", {0}, 0, ""}}), {"\"w\"", "dimension of 0"});
  expect_error(gguf_file({}, 0, {{"w", {uint64_t{1} << 33, uint64_t{1} << 33}, 0, ""}}), {"\"w\"", "elements"});
  expect_error(gguf_file({}, 0, {{"w", {1, 1, 1, 1, 1}, 0, four}}), {"\"w\"", "5 dimensions"});
  expect_error(gguf_file({}, 0, {{"w", {1}, 0, four}, {"w", {1}, 0, four}}), {"two tensors", "\"w\""});
  expect_error(gguf_file({}, 0, {{"w", {1000}, 0, four}}), {"\"w\"", "4000 bytes", "beyond the file"});
  expect_error(gguf_file({}, 0, {{"a", {9}, 0, four}, {"b", {1}, 0, four}}), {"\"a\"", "\"b\"", "overlap"});
  expect_error(gguf_file({}, 0, {{"\xFF", {1}, 0, four}}), {"tensor name", "\\xff"});
  expect_error(gguf_file(Bytes().str("k").u32(0).u8(1).str("k").u32(0).u8(1), 2, {}), {"\"k\"", "twice"});
  expect_error(gguf_file(Bytes().str("k").u32(13).u8(1), 1, {}), {"\"k\"", "value type 13"});
  expect_error(gguf_file(Bytes().str("k").u32(7).u8(2), 1, {}), {"\"k\"", "boolean"});
  expect_error(gguf_file(Bytes().str("k").u32(9).u32(0).u64(uint64_t{1} << 60), 1, {}), {"\"k\"", "bytes are left"});
  expect_error(gguf_file(Bytes().str("k").u32(8).u64(uint64_t{1} << 60), 1, {}), {"\"k\"", "ends inside"});
  expect_error(gguf_file(Bytes().str("general.alignment").u32(4).u32(48), 1, {}), {"general.alignment", "48"});
  expect_error(gguf_file(Bytes().str("general.alignment").u32(8).str("x"), 1, {}), {"general.alignment"});
  Bytes nested;
  nested.str("k").u32(9);
  for (int i = 0; i < 1000; ++i) nested.u32(9).u64(1);
  expect_error(gguf_file(nested, 1, {}), {"\"k\"", "nested"});
  expect_error(gguf_file(Bytes().str("k").u32(9).u32(0).u64(5000000).raw(std::string(5000000, '\0')), 1, {}),
               {"\"k\"", "more than"});
}

TEST(Gguf, four_dimensions_open_and_do_not_load) {
  const auto file = open_text(gguf_file({}, 0, {{"w", {2, 1, 1, 1}, 0, std::string(8, 'x')}}));
  ASSERT_TRUE(file.ok()) << file.message();
  const auto weight = (*file)->load(0);
  ASSERT_FALSE(weight.ok());
  EXPECT_NE(weight.message().find("4 dimensions"), std::string::npos);
}

}  // namespace
}  // namespace lowbit::io

#include "io/gguf_writer.h"

#include <gtest/gtest.h>

#include "io/ggml_types.h"
#include "io/test_files.h"

namespace lowbit::io {
namespace {

using nlohmann::json;
using test::Bytes;

tensor::Weight ramp(std::vector<int64_t> shape) {
  tensor::Weight weight;
  weight.shape = std::move(shape);
  std::vector<float> values(static_cast<size_t>(weight.rows() * weight.cols()));
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i) * 0.5f - 3.0f;
  weight.parts.push_back(
      tensor::pack_plain(formats::parse_format("f32").value(), weight.rows(), weight.cols(), values).value());
  return weight;
}

StoredTensor announced(std::string name, const tensor::Weight& weight) {
  return {std::move(name), weight.shape, {{weight.parts[0].format(), weight.rows()}}, false};
}

std::string written(const json& metadata, const MetadataTypes& types, const std::string& path) {
  const tensor::Weight norm = ramp({5}), matrix = ramp({3, 2});
  const std::vector<StoredTensor> tensors = {announced("norm", norm), announced("w", matrix)};
  const FileContent content{metadata, types, json(), tensors};
  auto writer = create_gguf(path, content);
  if (!writer.ok()) return writer.message();
  EXPECT_TRUE((*writer)->write("norm", norm).ok());
  EXPECT_TRUE((*writer)->write("w", matrix).ok());
  EXPECT_TRUE((*writer)->commit().ok());
  EXPECT_EQ(*gguf_file_bytes(content), std::filesystem::file_size(path));
  return test::read_file(path);
}

// The same file written byte by byte.
TEST(GgufWriter, bytes) {
  const test::TemporaryFolder folder;
  const json metadata = {
      {"a.count", 7u},         {"b.big", uint64_t{1} << 40}, {"c.minus", -2},           {"d.base", 10000.0},
      {"e.yes", true},         {"f.name", "x\xFF"},          {"g.types", {1u, 3u}},     {"h.scores", {0.5, -1.0}},
      {"i.tokens", {"a", ""}}, {"split.count", 2u},          {"general.alignment", 64u}};
  Bytes kv;
  kv.str("a.count").u32(4).u32(7).str("b.big").u32(10).u64(uint64_t{1} << 40);
  kv.str("c.minus").u32(5).u32(0xFFFFFFFE).str("d.base").u32(6).f32(10000.0f);
  kv.str("e.yes").u32(7).u8(1).str("f.name").u32(8).str("x\xFF");
  kv.str("g.types").u32(9).u32(5).u64(2).u32(1).u32(3);
  kv.str("h.scores").u32(9).u32(6).u64(2).f32(0.5f).f32(-1.0f);
  kv.str("i.tokens").u32(9).u32(8).u64(2).str("a").str("");
  kv.str("general.file_type").u32(4).u32(0);
  Bytes norm, matrix;
  for (int i = 0; i < 5; ++i) norm.f32(static_cast<float>(i) * 0.5f - 3.0f);
  for (int i = 0; i < 6; ++i) matrix.f32(static_cast<float>(i) * 0.5f - 3.0f);
  EXPECT_EQ(written(metadata, {}, folder / "x.gguf"),
            test::gguf_file(kv, 10, {{"norm", {5}, 0, norm.text()}, {"w", {2, 3}, 0, matrix.text()}}));
}

TEST(GgufWriter, types_of_the_source_stay) {
  const test::TemporaryFolder folder;
  Bytes kv;
  kv.str("a").u32(0).u8(200).str("b").u32(1).u8(0xFE).str("c").u32(12).f64(0.1).str("d").u32(6).u32(0x7F800000);
  kv.str("e").u32(9).u32(4).u64(1).u32(5).str("f").u32(9).u32(2).u64(0);
  kv.str("g").u32(9).u32(9).u64(1).u32(3).u64(2).u16(1).u16(0xFFFF);
  const auto source = open_model("source", test::bytes_of(test::gguf_file(kv, 7, {})));
  ASSERT_TRUE(source.ok()) << source.message();
  const std::string path = folder / "x.gguf";
  const std::string text = written((*source)->metadata(), (*source)->metadata_types(), path);
  EXPECT_NE(text.find(kv.text()), std::string::npos);
  const auto again = open_model(path);
  ASSERT_TRUE(again.ok()) << again.message();
  EXPECT_EQ((*again)->metadata_types().at("g"), 3u);
}

TEST(GgufWriter, what_cannot_be_held) {
  const test::TemporaryFolder folder;
  EXPECT_NE(written({{"k", json::object()}}, {}, folder / "x").find("\"k\" holds an object"), std::string::npos);
  EXPECT_NE(written({{"k", 300u}}, {{"k", 0u}}, folder / "x").find("\"k\" holds 300"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(folder / "x"));
  const auto held = [](std::string_view format, std::vector<int64_t> shape) {
    const auto result = gguf_holds(formats::parse_format(format).value(), "t", shape);
    return result.ok() ? formats::print(*result) : result.message();
  };
  EXPECT_EQ(held("q4_k", {4, 512}), "q4_k");
  EXPECT_EQ(held("q4_k", {4, 576}), "q5_0");
  EXPECT_EQ(held("q5_k", {4, 576}), "q5_1");
  EXPECT_EQ(held("q6_k", {4, 576}), "q8_0");
  EXPECT_EQ(held("q2_k", {4, 576}), "iq4_nl");
  EXPECT_EQ(held("q3_k", {4, 576}), "iq4_nl");
  EXPECT_EQ(held("q4_k", {4, 24}), "f16");
  EXPECT_EQ(held("bf16", {24}), "f32");
  EXPECT_NE(held("int8/64", {4, 512}).find("q8_0"), std::string::npos);
  EXPECT_NE(held("nf4/64", {4, 512}).find("the nearest that it has is"), std::string::npos);
}

TEST(GgufWriter, tensors_come_as_announced) {
  const test::TemporaryFolder folder;
  const tensor::Weight norm = ramp({5});
  const std::vector<StoredTensor> tensors = {announced("norm", norm)};
  const json none = json::object();
  const auto writer = create_gguf(folder / "x.gguf", {none, {}, none, tensors});
  ASSERT_TRUE(writer.ok());
  EXPECT_FALSE((*writer)->write("other", norm).ok());
  EXPECT_FALSE((*writer)->write("norm", ramp({6})).ok());
  EXPECT_FALSE((*writer)->commit().ok());
}

}  // namespace
}  // namespace lowbit::io

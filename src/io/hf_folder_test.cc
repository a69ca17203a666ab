#include "io/hf_folder.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "io/test_files.h"

namespace lowbit::io {
namespace {

using test::Bytes;
using test::TemporaryFolder;
using test::write_file;

// A safetensors file of one tensor.
std::string file_of(const std::string& name, const std::string& dtype, const std::string& shape,
                    const std::string& data) {
  const std::string header = "{\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape +
                             ",\"data_offsets\":[0," + std::to_string(data.size()) + "]}}";
  return Bytes().u64(header.size()).raw(header).raw(data).text();
}

std::string index_of(const std::string& map) { return "{\"metadata\":{},\"weight_map\":{" + map + "}}"; }

TEST(HfFolder, TensorsOfEveryDtypeAndTheFilesBesideThem) {
  const TemporaryFolder folder;
  write_file(folder / "config.json", R"({"model_type": "x", "n": [1, 2]})");
  write_file(folder / "tokenizer.json", "not parsed");
  write_file(folder / "chat_template.jinja", "{{ x }}");
  const std::pair<const char*, std::string> kDtypes[] = {{"F64", Bytes().f64(1.5).f64(-3.25).text()},
                                                         {"F32", Bytes().f32(1.5f).f32(-3.25f).text()},
                                                         {"F16", Bytes().u16(0x3E00).u16(0xC280).text()},
                                                         {"BF16", Bytes().u16(0x3FC0).u16(0xC050).text()},
                                                         {"F8_E4M3", Bytes().u8(0x3C).u8(0xC5).text()}};
  for (const auto& [dtype, data] : kDtypes) {
    write_file(folder / "model.safetensors", file_of("t", dtype, "[1,2]", data));
    const auto file = open_model(folder.path());
    ASSERT_TRUE(file.ok()) << file.message();
    EXPECT_EQ((*file)->metadata().at(kHfConfig).at("n"), nlohmann::json::array({1, 2}));
    EXPECT_EQ((*file)->metadata().at(kHfTokenizer), "not parsed");
    EXPECT_EQ((*file)->metadata().at(kHfChatTemplate), "{{ x }}");
    const auto weight = (*file)->load(0);
    ASSERT_TRUE(weight.ok()) << weight.message();
    EXPECT_EQ(tensor::dequantize(*weight), (std::vector<float>{1.5f, -3.25f})) << dtype;
    const auto single = open_model(folder / "model.safetensors");
    ASSERT_TRUE(single.ok()) << single.message();
    EXPECT_EQ((*single)->tensors().size(), 1u);
  }
  write_file(folder / "model.safetensors", file_of("t", "I32", "[2]", Bytes().u32(1).u32(2).text()));
  const auto file = open_model(folder.path());
  ASSERT_TRUE(file.ok()) << file.message();
  EXPECT_TRUE((*file)->tensors()[0].parts.empty());
  EXPECT_FALSE((*file)->load(0).ok());
}

// What a work folder depends on: each file that was read, wherever it lies, and no other.
TEST(HfFolder, FilesTellsWhatWasRead) {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder / "1_Pooling");
  std::vector<std::string> documents;
  for (const char* name :
       {"config.json", "generation_config.json", "tokenizer_config.json", "special_tokens_map.json",
        "1_Pooling/config.json", "sentence_bert_config.json", "quantize_config.json"}) {
    write_file(folder / name, "{}");
    documents.push_back(folder / name);
  }
  write_file(folder / "modules.json", "[]");
  write_file(folder / "tokenizer.json", "");
  write_file(folder / "chat_template.jinja", "");
  for (const char* name : {"modules.json", "tokenizer.json", "chat_template.jinja"})
    documents.push_back(folder / name);
  for (const char* name : {"vocab.json", "README.md", "lowbit.json"}) write_file(folder / name, "{}");
  const std::string a = folder / "a.safetensors", b = folder / "b.safetensors";
  write_file(a, file_of("x", "F32", "[1]", Bytes().f32(1.0f).text()));
  write_file(b, file_of("y", "F32", "[1]", Bytes().f32(1.0f).text()));
  const std::string index = folder / "model.safetensors.index.json";
  write_file(index, index_of(R"("x":"a.safetensors","y":"b.safetensors")"));
  const auto read = [&](const std::string& path, std::vector<std::string> expected) {
    expected.insert(expected.end(), documents.begin(), documents.end());
    const auto file = open_model(path);
    ASSERT_TRUE(file.ok()) << file.message();
    EXPECT_EQ((*file)->files(), open_model(path).value()->files());
    std::vector<std::string> files = (*file)->files();
    std::ranges::sort(files);
    std::ranges::sort(expected);
    EXPECT_EQ(files, expected);
  };
  read(folder.path(), {index, a, b});
  read(a, {a});
}

// An error that has all parts; whatever it is, it stays within the folder.
void expect_error(const TemporaryFolder& folder, const std::vector<std::string>& parts) {
  const auto file = open_model(folder.path());
  ASSERT_FALSE(file.ok()) << parts[0];
  for (const std::string& part : parts) EXPECT_NE(file.message().find(part), std::string::npos) << file.message();
}

TEST(HfFolder, Shards) {
  const TemporaryFolder folder;
  const std::string data = Bytes().f32(1.0f).text();
  write_file(folder / "config.json", "{}");
  write_file(folder / "a.safetensors", file_of("x", "F32", "[1]", data));
  write_file(folder / "b.safetensors", file_of("y", "F32", "[1]", data));
  expect_error(folder, {"several .safetensors files"});
  const std::string index = folder / "model.safetensors.index.json";
  write_file(index, index_of(R"("x":"a.safetensors","y":"b.safetensors")"));
  const auto file = open_model(folder.path());
  ASSERT_TRUE(file.ok()) << file.message();
  EXPECT_EQ((*file)->tensors().size(), 2u);
  EXPECT_EQ((*file)->find("y"), 1);
  for (const char* name : {"../a.safetensors", "/etc/a.safetensors", "a.bin", "..", ""}) {
    write_file(index, index_of("\"x\":\"" + std::string(name) + "\""));
    expect_error(folder, {"index.json", "\"x\"", "in the folder"});
  }
  write_file(index, index_of(R"("x":"a.safetensors","y":"a.safetensors")"));
  expect_error(folder, {"a.safetensors", "\"y\"", "missing"});
  write_file(index, index_of(R"("x":"b.safetensors","y":"b.safetensors")"));
  expect_error(folder, {"b.safetensors", "\"x\"", "missing"});
  write_file(index, index_of(R"("z":"a.safetensors","y":"b.safetensors")"));
  expect_error(folder, {"\"x\"", "not in this file by the index"});
  write_file(index, index_of(R"("x":"a.safetensors","y":"c.safetensors")"));
  expect_error(folder, {"c.safetensors"});
  write_file(index, index_of(""));
  expect_error(folder, {"weight_map"});
  write_file(index, "[");
  expect_error(folder, {"index.json"});
  write_file(folder / "b.safetensors", file_of("x", "F32", "[1]", data));
  write_file(index, index_of(R"("x":"a.safetensors","y":"b.safetensors")"));
  expect_error(folder, {"b.safetensors", "\"x\"", "too"});
}

TEST(HfFolder, WhatIsMissingIsSaid) {
  const TemporaryFolder folder;
  expect_error(folder, {"no config.json"});
  write_file(folder / "config.json", "[]");
  expect_error(folder, {"config.json", "array"});
  write_file(folder / "config.json", "{}");
  expect_error(folder, {"no model.safetensors"});
  write_file(folder / "pytorch_model.bin", "x");
  expect_error(folder, {"pickled"});
  write_file(folder / "model.safetensors", file_of("x", "F32", "[0,9223372036854775807]", ""));
  expect_error(folder, {"\"x\"", "dimension of 0"});
}

}  // namespace
}  // namespace lowbit::io

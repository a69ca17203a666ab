// Folders in the layout of compressed-tensors: written and read again they are the native file with the same plan,
// code for code and logit for logit. That others read them to the same values is
// tools/compare_compressed_tensors.py's.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "golden_folders.h"
#include "models/written_kinds.h"
#include "program.h"
#include "search/job.h"

namespace lowbit::tests {
namespace {

using graph::NumericPolicy;
using nlohmann::json;

// Formats with another layout each: of integers with and without zero points, by groups and by rows, FP8 and FP4.
constexpr const char* kFormats[] = {"int4/32:f16",
                                    "uint4/32:bf16+zp",
                                    "uint4/row:f16+zp",
                                    "int8/32:bf16",
                                    "int8/row:f16",
                                    "int8/row:f32",
                                    "uint8/32:f32+zp",
                                    "e4m3fn/row:f32",
                                    "e4m3fn/tensor:f32",
                                    "mxfp4",
                                    "nvfp4",
                                    "f32",
                                    "bf16"};

const io::WrittenKind& folder_kind() { return *models::written_kind("x/"); }

uint64_t bytes_in(const std::string& folder) {
  uint64_t sum = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) sum += entry.file_size();
  }
  return sum;
}

// A model in one format without calibration: planned for a folder, written as each name says.
void write(const std::string& source, const std::string& format, const std::string& work,
           const std::vector<std::string>& names) {
  search::JobOptions options;
  options.format = formats::parse_format(format).value();
  options.sensitivity.method = "nearest";
  options.sensitivity.kind = &folder_kind();
  options.work = work;
  options.pool = std::make_shared<ThreadPool>(2);
  const auto job = search::make_plan(source, options);
  ASSERT_TRUE(job.ok()) << job.message();
  const search::Job& made = **job;
  for (const std::string& name : names) {
    quant::QuantizeJob run{
        &made.opened,     &made.search.plan, &*made.work, false, nullptr, {}, made.opened.file->metadata(),
        made.facts.get(), options.pool.get()};
    const auto done = quant::quantize(run, name);
    ASSERT_TRUE(done.ok()) << done.message();
    if (name.back() != '/') continue;
    EXPECT_EQ(done->file_bytes, made.search.file_bytes);
    EXPECT_EQ(done->file_bytes, bytes_in(name));
  }
}

void expect_same(const models::OpenedModel& here, const models::OpenedModel& there) {
  for (const graph::Parameter& p : there.model.graph.parameters) {
    const auto a = models::load_weight(here, p.name), b = models::load_weight(there, p.name);
    ASSERT_TRUE(a.ok() && b.ok()) << p.name;
    ASSERT_EQ((*a)->parts.size(), (*b)->parts.size()) << p.name;
    for (size_t i = 0; i < (*a)->parts.size(); ++i) {
      const tensor::PackedMatrix &x = (*a)->parts[i], &y = (*b)->parts[i];
      ASSERT_EQ(formats::print(x.format()), formats::print(y.format())) << p.name;
      ASSERT_TRUE(std::ranges::equal(x.bytes(), y.bytes())) << p.name;
    }
  }
}

class CompressedFolder : public testing::TestWithParam<std::string> {};

TEST_P(CompressedFolder, IsTheNativeFileAgain) {
  const bool experts = GetParam() == "qwen3moe" || GetParam() == "olmoe";
  const bool all = experts || GetParam() == "llama" || GetParam() == "gemma3";
  for (const char* format : kFormats) {
    SCOPED_TRACE(format);
    const std::string_view text = format;
    if (!all && text != "uint4/32:bf16+zp" && text != "int8/row:f16" && text != "nvfp4") continue;
    // Rows of these experts are too short for groups of 32, and the formats that stand in are not the same for all. A
    // scale of the tensor is read back as one for each expert, which makes as many parts.
    if (experts && (text.find("32:") != text.npos || text == "mxfp4" || text.find("tensor") != text.npos)) continue;
    if (experts && text == "nvfp4") continue;
    const Folder scratch;
    const std::string folder = scratch.file("out/"), native = scratch.file("out.safetensors");
    // NVFP4's tied tensors share a scale in a folder: its native file is made from the folder.
    const bool tied = text == "nvfp4";
    const std::string source = "goldens/hf/" + GetParam();
    write(source, format, scratch.file("work"), tied ? std::vector{folder} : std::vector{folder, native});
    if (HasFatalFailure()) return;
    if (tied) write(folder, format, scratch.file("work2"), {native});
    const auto here = models::open(folder), there = models::open(native);
    ASSERT_TRUE(here.ok()) << here.message();
    ASSERT_TRUE(there.ok()) << there.message();
    expect_same(*here, *there);
    for (const NumericPolicy& policy : {NumericPolicy::reference(), NumericPolicy::standard()}) {
      const std::vector<float> a = test::logits_of(*here, policy), b = test::logits_of(*there, policy);
      ASSERT_FALSE(a.empty());
      ASSERT_TRUE(a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
    }
    // What is read is written to the same tensors again.
    const std::string again = scratch.file("again/");
    write(folder, format, scratch.file("work3"), {again});
    for (const char* file : {"model.safetensors", "config.json"}) {
      EXPECT_TRUE(read_file(again + file) == read_file(folder + file)) << file;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Goldens, CompressedFolder, testing::ValuesIn(test::golden_folders()), [](const auto& info) {
  std::string name = info.param;
  std::ranges::replace(name, '-', '_');
  return name;
});

json config_of(const std::string& folder) { return json::parse(read_file(folder + "config.json")); }

// The tensors of a plain conversion are the source's, byte for byte, under the same names.
TEST(PlainFolder, HoldsTheSourcesTensors) {
  for (const std::string& name : test::golden_folders()) {
    const Folder scratch;
    const std::string folder = scratch.file("out/");
    write("goldens/hf/" + name, "f32", scratch.file("work"), {folder});
    EXPECT_FALSE(config_of(folder).contains("quantization_config"));
    const auto before = io::open_model("goldens/hf/" + name), after = io::open_model(folder);
    ASSERT_TRUE(before.ok() && after.ok());
    EXPECT_EQ((*before)->tensors().size(), (*after)->tensors().size()) << name;
    for (const io::TensorInfo& info : (*before)->tensors()) {
      const int64_t index = (*after)->find(info.name);
      ASSERT_GE(index, 0) << name << " " << info.name;
      const auto a = (*before)->load(static_cast<size_t>((*before)->find(info.name)));
      const auto b = (*after)->load(static_cast<size_t>(index));
      ASSERT_TRUE(std::ranges::equal(a->parts[0].bytes(), b->parts[0].bytes())) << name << " " << info.name;
    }
  }
}

// A GGUF becomes the folder that transformers would have saved: names, rows of heads, norms and config.json.
TEST(FolderOfAGguf, HasTheLogitsOfTheGguf) {
  for (const std::string name : {"llama", "llama-linear", "mistral", "qwen2", "qwen3", "qwen3moe", "gemma2", "gemma3",
                                 "granite", "olmo2", "olmoe"}) {
    SCOPED_TRACE(name);
    const Folder scratch;
    const std::string source = "goldens/architectures/" + name + ".gguf", folder = scratch.file("out/");
    write(source, "f32", scratch.file("work"), {folder});
    if (testing::Test::HasFatalFailure()) return;
    const auto here = models::open(folder), there = models::open(source);
    ASSERT_TRUE(here.ok()) << here.message();
    ASSERT_TRUE(there.ok()) << there.message();
    EXPECT_EQ(here->model.context, there->model.context);
    expect_same(*here, *there);
    for (const NumericPolicy& policy : {NumericPolicy::reference(), NumericPolicy::standard()}) {
      const std::vector<float> a = test::logits_of(*here, policy), b = test::logits_of(*there, policy);
      ASSERT_TRUE(!a.empty() && a.size() == b.size() &&
                  std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
    }
    // Under the names of transformers' own folder.
    const auto saved = io::open_model("goldens/hf/" + name), made = io::open_model(folder);
    ASSERT_TRUE(saved.ok() && made.ok());
    EXPECT_EQ((*saved)->tensors().size(), (*made)->tensors().size());
    for (const io::TensorInfo& info : (*saved)->tensors()) {
      const int64_t index = (*made)->find(info.name);
      ASSERT_GE(index, 0) << info.name;
      EXPECT_EQ((*made)->tensors()[static_cast<size_t>(index)].shape, info.shape) << info.name;
    }
  }
}

// Blocks of GGUF that are groups of compressed-tensors too stay code for code.
TEST(FolderOfAGguf, KeepsCodesThatTheLayoutHas) {
  const Folder scratch;
  const std::string native = scratch.file("q.safetensors"), folder = scratch.file("out/");
  write("goldens/architectures/qwen3.gguf", "int8/32:f16", scratch.file("work"), {native, folder});
  if (testing::Test::HasFatalFailure()) return;
  const std::string again = scratch.file("again/");
  write(native, "int8/32:f16", scratch.file("work2"), {again});
  EXPECT_TRUE(read_file(again + "model.safetensors") == read_file(folder + "model.safetensors"));
}

TEST(FolderOfAGguf, WhatConfigJsonCannotSayIsRefused) {
  for (const auto& [name, part] : {std::pair("phi3", "rope.scaling.type"), std::pair("bert", "architecture")}) {
    const auto source = io::open_model(std::string("goldens/architectures/") + name + ".gguf");
    ASSERT_TRUE(source.ok());
    const auto facts = folder_kind().prepare(*source);
    ASSERT_FALSE(facts.ok()) << name;
    EXPECT_NE(facts.message().find(part), std::string::npos) << facts.message();
    EXPECT_NE(facts.message().find("Hugging Face folder"), std::string::npos) << facts.message();
  }
}

TEST(CompressedConfig, SaysWhatEachModuleIsIn) {
  const Folder scratch;
  const std::string folder = scratch.file("out/");
  write("goldens/hf/qwen3moe", "uint4/row:bf16+zp", scratch.file("work"), {folder});
  const json found = config_of(folder).at("quantization_config");
  EXPECT_EQ(found.at("quant_method"), "compressed-tensors");
  EXPECT_EQ(found.at("format"), "pack-quantized");
  EXPECT_EQ(found.at("quantization_status"), "compressed");
  const json& group = found.at("config_groups").at("group_0");
  EXPECT_EQ(group.at("weights"), json({{"num_bits", 4},
                                       {"type", "int"},
                                       {"symmetric", false},
                                       {"dynamic", false},
                                       {"strategy", "channel"},
                                       {"group_size", nullptr}}));
  EXPECT_NE(std::ranges::find(found.at("ignore"), "model.layers.0.mlp.gate"), found.at("ignore").end());
  EXPECT_NE(std::ranges::find(found.at("ignore"), "lm_head"), found.at("ignore").end());
}

void expect_refused(const std::string& format, const std::vector<std::string>& parts) {
  search::JobOptions options;
  options.format = formats::parse_format(format).value();
  options.sensitivity.method = "nearest";
  options.sensitivity.kind = &folder_kind();
  options.dry_run = true;
  options.pool = std::make_shared<ThreadPool>(1);
  const auto job = search::make_plan("goldens/hf/llama", options);
  ASSERT_FALSE(job.ok()) << format;
  for (const std::string& part : parts) EXPECT_NE(job.message().find(part), std::string::npos) << job.message();
}

TEST(CompressedFolder, AFormatThatItCannotHoldNamesTheNearest) {
  expect_refused("nf4/64", {"nf4/64", "mxfp4"});
  expect_refused("q4_k", {"q4_k", "int4/32:bf16"});
  expect_refused("int8/16", {"int8/16", "int8/32:bf16"});
  expect_refused("e4m3fn/128:f32", {"e4m3fn/128:f32", "e4m3fn/row:f32"});
}

}  // namespace
}  // namespace lowbit::tests

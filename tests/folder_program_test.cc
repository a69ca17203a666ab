// `lowbit quantize -o FOLDER/` as a user runs it: budgets, kills, folders that are there already, files that stay.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "base/rng.h"
#include "program.h"

namespace lowbit::tests {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kText = "share/text/calibration.txt";

// A tokenizer of 64 tokens: letters, alone and inside a word.
json letters() {
  json vocabulary = {{"[UNK]", 0}, {"[BOS]", 1}, {"[EOS]", 2}};
  for (char c = 'a'; c <= 'z'; ++c) {
    const int at = c - 'a';
    vocabulary[std::string(1, c)] = 3 + at;
    vocabulary[std::string("##") + c] = 29 + at;
  }
  for (const char* sign : {",", ".", ";", ":", "!", "?", "-", "(", ")"}) {
    const size_t id = vocabulary.size();
    vocabulary[sign] = id;
  }
  return {{"added_tokens", json::array()},
          {"normalizer",
           {{"type", "BertNormalizer"},
            {"clean_text", true},
            {"handle_chinese_chars", true},
            {"strip_accents", nullptr},
            {"lowercase", true}}},
          {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
          {"post_processor", nullptr},
          {"decoder", {{"type", "WordPiece"}, {"prefix", "##"}, {"cleanup", true}}},
          {"model",
           {{"type", "WordPiece"},
            {"unk_token", "[UNK]"},
            {"continuing_subword_prefix", "##"},
            {"max_input_chars_per_word", 100},
            {"vocab", vocabulary}}}};
}

// A golden folder with a tokenizer.
std::string source(const Folder& folder, const std::string& name) {
  const std::string path = folder.file(name);
  fs::copy("goldens/hf/" + name, path);
  std::ofstream(path + "/tokenizer.json") << letters().dump(3);
  std::ofstream(path + "/tokenizer_config.json") << R"({"unk_token": "[UNK]",  "chat_template": "x"})";
  std::ofstream(path + "/chat_template.jinja") << "{{ messages[0].content }}\n";
  std::ofstream(path + "/README.md") << "of the source";
  return path;
}

std::vector<std::string> quantize(const std::string& model, const std::string& out, const std::string& way,
                                  const std::string& value) {
  return {"quantize", model, "-o", out, way, value, "--text", kText, "--context", "64", "--calibration-chunks", "4"};
}

std::map<std::string, std::string> files_in(const std::string& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) files[entry.path().lexically_relative(folder)] = read_file(entry.path());
  }
  return files;
}

TEST(FolderProgram, FilesBesideTheWeightsStayAsTheyAre) {
  const Folder folder, out;
  const std::string model = source(folder, "llama"), made = out.file("out/");
  const Finished finished = run(quantize(model, made, "--format", "int8/row:bf16"));
  ASSERT_EQ(finished.exit, 0) << finished.err;
  auto before = files_in(model), after = files_in(made);
  for (const char* name :
       {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json"}) {
    EXPECT_EQ(after[name], before[name]) << name;
  }
  EXPECT_FALSE(after.contains("README.md"));
  json config = json::parse(after["config.json"]);
  EXPECT_TRUE(config.contains("quantization_config"));
  config.erase("quantization_config");
  EXPECT_EQ(config, json::parse(before["config.json"]));
  EXPECT_EQ(files_in(out.file("")).size(), after.size());  // nothing else is left
  const Finished said = run({"run", made, "-p", "hello", "-n", "4", "--json"});
  EXPECT_EQ(said.exit, 0) << said.err;
}

// Others read scales in the dtype of the model.
TEST(FolderProgram, ScalesThatOthersRoundAreWarnedOf) {
  const Folder folder, out;
  const std::string model = source(folder, "llama");
  const auto said = [&](const char* key, const char* dtype, const char* format, const std::string& made) {
    json config = json::parse(read_file(model + "/config.json"));
    for (const char* old : {"dtype", "torch_dtype"}) config.erase(old);
    config[key] = dtype;
    std::ofstream(model + "/config.json") << config;
    std::vector<std::string> command = quantize(model, made, "--format", format);
    command.insert(command.end(), {"--method", "nearest", "--json"});
    const Finished finished = run(command);
    EXPECT_EQ(finished.exit, 0) << finished.err;
    EXPECT_TRUE(json::accept(finished.out));
    return finished.err;
  };
  for (const char* key : {"dtype", "torch_dtype"}) {
    EXPECT_EQ(said(key, "bfloat16", "int8/row:f16", out.file("a/")),
              "the scales of int8/row are f16, but config.json says bfloat16, to which vLLM and transformers round "
              "them; int8/row:bf16 is read as it is\n");
  }
  EXPECT_EQ(said("dtype", "bfloat16", "int8/row:bf16", out.file("a/")), "");
  EXPECT_EQ(said("dtype", "float16", "int8/row:f16", out.file("a/")), "");
  EXPECT_EQ(said("dtype", "bfloat16", "int8/row:f16", out.file("a.safetensors")), "");
}

TEST(FolderProgram, TiedTensorsHaveOneFormatUnderABudget) {
  const Folder folder, out;
  const std::string model = source(folder, "qwen3"), made = out.file("out/");
  std::vector<std::string> command = quantize(model, made, "--budget", "10.5bpw");
  command.push_back("--json");
  const Finished finished = run(command);
  ASSERT_EQ(finished.exit, 0) << finished.err;
  const json result = json::parse(finished.out);
  EXPECT_LE(result.at("bits_per_weight").get<double>(), 10.5);
  uint64_t sum = 0;
  for (const auto& [name, text] : files_in(made)) sum += text.size();
  EXPECT_EQ(result.at("bytes").get<uint64_t>(), sum);
  std::map<std::string, std::string> formats;
  for (const json& tensor : result.at("tensors")) formats[tensor.at("name")] = tensor.at("format");
  std::set<std::string> different;
  for (const std::string layer : {"blk.0.", "blk.1."}) {
    EXPECT_EQ(formats[layer + "attn_q.weight"], formats[layer + "attn_k.weight"]);
    EXPECT_EQ(formats[layer + "attn_q.weight"], formats[layer + "attn_v.weight"]);
    EXPECT_EQ(formats[layer + "ffn_gate.weight"], formats[layer + "ffn_up.weight"]);
    for (const char* part : {"attn_q", "attn_output", "ffn_up", "ffn_down"}) {
      different.insert(formats[layer + part + ".weight"]);
    }
  }
  EXPECT_GT(different.size(), 1u);  // the test would see nothing if all were alike
  EXPECT_EQ(formats["token_embd.weight"], "f32");
}

TEST(FolderProgram, KilledItEndsWithTheSameFiles) {
  const Folder folder, out, whole;
  const std::string model = source(folder, "llama"), made = out.file("out/");
  const auto command = [&](const std::string& to) { return quantize(model, to, "--budget", "11bpw"); };
  const auto start = std::chrono::steady_clock::now();
  ASSERT_EQ(run(command(whole.file("out/"))).exit, 0);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const auto expected = files_in(whole.file("out"));
  Rng rng(7);
  int killed = 0;
  for (int i = 0; i < 40 && killed < 10; ++i) {
    const Folder logs;
    const Program program(logs, command(made));
    std::this_thread::sleep_for(std::chrono::duration<double>(rng.uniform() * seconds));
    program.kill();
    killed += program.wait().signal == SIGKILL ? 1 : 0;
    if (fs::exists(made)) EXPECT_TRUE(files_in(made) == expected);
  }
  EXPECT_EQ(killed, 10);
  const Finished finished = run(command(made));
  ASSERT_EQ(finished.exit, 0) << finished.err;
  EXPECT_TRUE(files_in(made) == expected);
  EXPECT_EQ(files_in(out.file("")).size(), expected.size());
}

TEST(FolderProgram, WhatCannotBeIsSaidBeforeAnyWork) {
  const Folder folder, out;
  const std::string model = source(folder, "llama");
  const auto refused = [&](std::vector<std::string> command, const std::vector<std::string>& parts) {
    const Finished finished = run(command);
    EXPECT_EQ(finished.exit, 1);
    for (const std::string& part : parts) EXPECT_NE(finished.err.find(part), std::string::npos) << finished.err;
  };
  fs::create_directory(out.file("theirs"));
  std::ofstream(out.file("theirs/notes.txt")) << "x";
  // With or without a slash: a folder that is there is one.
  for (const char* name : {"theirs", "theirs/"}) {
    refused(quantize(model, out.file(name), "--format", "int8/row"), {"theirs", "notes.txt", "did not write"});
  }
  refused(quantize(model, model + "/", "--format", "int8/row"), {"the model that is read"});
  std::vector<std::string> mixed = quantize(model, out.file("o/"), "--format", "int8/row");
  mixed.insert(mixed.end(), {"--tensor", "attn_v=int4/32"});
  refused(mixed, {"blk.0.attn_q.weight", "attn_v", "one format"});
  std::vector<std::string> embedding = quantize(model, out.file("o/"), "--format", "int8/row");
  embedding.insert(embedding.end(), {"--tensor", "token_embd=int8/row"});
  refused(embedding, {"token_embd.weight", "bf16"});
  EXPECT_FALSE(fs::exists(out.file("o")));
  EXPECT_FALSE(fs::exists(out.file("o.work")));
}

}  // namespace
}  // namespace lowbit::tests

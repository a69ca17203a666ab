#include "text/hf_export.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "text/tokenizer.h"

namespace lowbit::text {
namespace {

using nlohmann::json;

std::string read(const std::string& name) {
  auto text = read_text_file("goldens/tokenizers/" + name + ".json", 1 << 24);
  EXPECT_TRUE(text.ok());
  return text.ok() ? *text : std::string();
}

TEST(HfExport, IdsComeFromTheConfigurationAndThePostProcessor) {
  const json config = {{"bos_token", "<s>"},
                       {"eos_token", {{"content", "</s>"}}},
                       {"pad_token", nullptr},
                       {"chat_template", json::array({{{"name", "default"}, {"template", "T"}}})}};
  const auto metadata = metadata_from_hf(read("spm-first"), config.dump(), "t.json");
  ASSERT_TRUE(metadata.ok()) << metadata.message();
  EXPECT_EQ(metadata->at("tokenizer.ggml.bos_token_id"), 1);
  EXPECT_EQ(metadata->at("tokenizer.ggml.eos_token_id"), 2);
  EXPECT_EQ(metadata->at("tokenizer.ggml.add_bos_token"), true);
  EXPECT_EQ(metadata->at("tokenizer.ggml.add_eos_token"), false);
  EXPECT_EQ(metadata->at("tokenizer.chat_template"), "T");
  const auto tokenizer = Tokenizer::from_metadata(*metadata, "m");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.message();
  EXPECT_EQ(tokenizer->bos(), 1);
  EXPECT_EQ(tokenizer->eos(), 2);
  EXPECT_TRUE(tokenizer->adds_bos());
  EXPECT_FALSE(tokenizer->adds_eos());
}

struct Export {
  const char* name;
  const char* model;
  const char* pre;
};

// In the words of GGUF the same texts have the same ids; the tokens with conditions apart.
TEST(HfExport, TheKeysOfGgufGiveTheSameIds) {
  const Export exports[] = {{"bpe-gpt2", "gpt2", "gpt-2"},           {"bpe-llama3", "gpt2", "llama-bpe"},
                            {"bpe-qwen2", "gpt2", "qwen2"},          {"bpe-smollm", "gpt2", "smollm"},
                            {"spm-prepend", "llama", "default"},     {"spm-gemma", "llama", "default"},
                            {"wordpiece-uncased", "bert", "default"}};
  const json texts = json::parse(read("texts"));
  for (const Export& e : exports) {
    const std::string text = read(e.name);
    const auto keys = ggml_keys_from_hf(text, e.name);
    ASSERT_TRUE(keys.ok()) << keys.message();
    EXPECT_EQ(keys->at("tokenizer.ggml.model"), e.model);
    EXPECT_EQ(keys->at("tokenizer.ggml.pre"), e.pre);
    const auto there = Tokenizer::from_metadata(*keys, e.name);
    const auto here = Tokenizer::from_json(text, e.name);
    ASSERT_TRUE(there.ok()) << there.message();
    ASSERT_TRUE(here.ok()) << here.message();
    for (const json& item : texts) {
      const auto t = item.get<std::string>();
      if (t.find("word") != t.npos || t.find("left>") != t.npos || t.find("right>") != t.npos ||
          t.find("\xC3\x80") != t.npos) {
        continue;
      }
      EXPECT_EQ(there->encode(t, {.parse_control = true}), here->encode(t, {.parse_control = true}))
          << e.name << ": " << t;
    }
  }
}

TEST(HfExport, WhatGgufHasNoWordsForIsSaid) {
  EXPECT_EQ(ggml_keys_from_hf(read("odd-1"), "t.json").message(),
            "t.json: \"pre_tokenizer\" cuts by patterns that have no name in GGUF (tokenizer.ggml.pre)");
  EXPECT_EQ(ggml_keys_from_hf(read("wordlevel"), "t.json").message(),
            "t.json: \"model\" has type \"WordLevel\", which GGUF has no name for");
}

}  // namespace
}  // namespace lowbit::text

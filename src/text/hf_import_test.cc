#include "text/hf_import.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "text/hf_export.h"
#include "text/tokenizer.h"

namespace lowbit::text {
namespace {

using nlohmann::json;

std::string read(const std::string& name) {
  auto text = read_text_file("goldens/tokenizers/" + name + ".json", 1 << 24);
  EXPECT_TRUE(text.ok());
  return text.ok() ? *text : std::string();
}

// In the words of GGUF and as a tokenizer.json again, the same texts have the ids that the keys of GGUF give.
TEST(HfImport, TokenizerJsonGivesTheIdsOfTheKeys) {
  const json texts = json::parse(read("texts"));
  for (const char* name : {"bpe-gpt2", "bpe-llama3", "bpe-qwen2", "bpe-smollm", "spm-prepend", "spm-gemma"}) {
    const auto keys = ggml_keys_from_hf(read(name), name);
    ASSERT_TRUE(keys.ok()) << keys.message();
    const auto files = hf_files_from_metadata(*keys, name);
    ASSERT_TRUE(files.ok()) << files.message();
    const auto there = Tokenizer::from_metadata(*keys, name), here = Tokenizer::from_json(files->tokenizer, name);
    ASSERT_TRUE(here.ok()) << here.message();
    ASSERT_EQ(here->size(), there->size());
    for (const json& item : texts) {
      const auto t = item.get<std::string>();
      for (const bool control : {false, true}) {
        const auto ids = there->encode(t, {.parse_control = control});
        EXPECT_EQ(here->encode(t, {.parse_control = control}), ids) << name << ": " << t;
        // The byte-level decoder of tokenizer.json takes added tokens for spelt bytes too.
        if (t.find("\xC3\x80") == t.npos) EXPECT_EQ(here->decode(ids), there->decode(ids)) << name;
      }
    }
  }
}

json small() {
  return {{"tokenizer.ggml.model", "llama"},
          {"tokenizer.ggml.tokens", {"<unk>", "<s>", "</s>", "a", "b", "ab", "\xE2\x96\x81"}},
          {"tokenizer.ggml.token_type", {2, 3, 3, 1, 1, 1, 1}},
          {"tokenizer.ggml.scores", {0.0, 0.0, 0.0, -3.0, -2.0, -1.0, -4.0}},
          {"tokenizer.ggml.bos_token_id", 1},
          {"tokenizer.ggml.eos_token_id", 2},
          {"tokenizer.chat_template", "T"}};
}

TEST(HfImport, ConfigurationsSayNamesAndIds) {
  const auto files = hf_files_from_metadata(small(), "m");
  ASSERT_TRUE(files.ok()) << files.message();
  EXPECT_EQ(files->config.at("bos_token"), "<s>");
  EXPECT_EQ(files->config.at("eos_token"), "</s>");
  EXPECT_EQ(files->config.at("add_bos_token"), true);
  EXPECT_EQ(files->generation, json({{"bos_token_id", 1}, {"eos_token_id", 2}}));
  EXPECT_EQ(files->chat_template, "T");
  const json made = json::parse(files->tokenizer);
  EXPECT_EQ(made.at("model").at("merges"), json::array({json::array({"a", "b"})}));
  EXPECT_EQ(made.at("post_processor").at("special_tokens").at("<s>").at("ids"), json({1}));
  EXPECT_EQ(made.at("post_processor").at("single").size(), 2u);
}

TEST(HfImport, WhatIsKeptIsTakenAndWhatCannotBeIsSaid) {
  json metadata = {{kHuggingFaceJson, read("wordlevel")}};
  EXPECT_EQ(hf_files_from_metadata(metadata, "m")->tokenizer, read("wordlevel"));
  EXPECT_TRUE(hf_files_from_metadata(json::object(), "m")->tokenizer.empty());
  metadata = small();
  metadata["tokenizer.ggml.tokens"][3] = "\xFF";
  EXPECT_NE(hf_files_from_metadata(metadata, "m").message().find("tokenizer.ggml.tokens"), std::string::npos);
  metadata = small();
  metadata["tokenizer.ggml.model"] = "t5";
  EXPECT_NE(hf_files_from_metadata(metadata, "m").message().find("tokenizer.ggml.model"), std::string::npos);
}

}  // namespace
}  // namespace lowbit::text

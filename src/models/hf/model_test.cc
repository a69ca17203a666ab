#include "models/hf/model.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "models/open.h"

namespace lowbit::models::hf {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// A copy of a golden folder whose config.json is changed.
class Folder {
 public:
  explicit Folder(const std::string& name) {
    std::string pattern = (fs::temp_directory_path() / "lowbit-hf-XXXXXX").string();
    EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
    path_ = pattern;
    fs::copy("goldens/hf/" + name, path_, fs::copy_options::recursive);
    config = json::parse(std::ifstream(path_ / "config.json"));
  }
  ~Folder() { fs::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  Result<OpenedModel> open() const {
    std::ofstream(path_ / "config.json") << config;
    return models::open(path_.string());
  }
  void expect_error(const std::vector<std::string>& parts) const {
    const auto opened = open();
    ASSERT_FALSE(opened.ok()) << parts[0];
    for (const std::string& part : parts) {
      EXPECT_NE(opened.message().find(part), std::string::npos) << opened.message();
    }
  }
  json config;

 private:
  fs::path path_;
};

TEST(HfModel, KeysOutOfRangeOrMissingAreNamed) {
  for (const char* key : {"hidden_size", "num_hidden_layers", "intermediate_size", "num_attention_heads",
                          "max_position_embeddings", "rms_norm_eps"}) {
    Folder folder("llama");
    folder.config.erase(key);
    folder.expect_error({"config.json", key, "missing"});
    folder.config[key] = "8";
    folder.expect_error({"config.json", key, "\"8\""});
    folder.config[key] = -1;
    folder.expect_error({"config.json", key, "-1"});
    folder.config[key] = UINT64_MAX;
    folder.expect_error({"config.json", key});
  }
  Folder folder("llama");
  folder.config["rope_parameters"]["rope_type"] = "yarn";
  folder.expect_error({"config.json", "rope_parameters.rope_type", "yarn", "llama3"});
  folder.config["rope_parameters"] = 3;
  folder.expect_error({"config.json", "rope_parameters", "3"});
}

TEST(HfModel, WhatOtherArchitecturesWouldNeedIsRefused) {
  Folder folder("llama");
  folder.config["architectures"] = {"MambaForCausalLM"};
  folder.expect_error({"config.json", "architectures", "Mamba", "LlamaForCausalLM"});
  Folder gelu("qwen2");
  gelu.config["hidden_act"] = "gelu";
  gelu.expect_error({"config.json", "hidden_act", "gelu", "silu"});
  Folder windows("qwen3");
  windows.config["use_sliding_window"] = true;
  windows.expect_error({"config.json", "use_sliding_window"});
  Folder experts("qwen3moe");
  experts.config["mlp_only_layers"] = {0};
  experts.expect_error({"config.json", "mlp_only_layers"});
  Folder layers("gemma3");
  layers.config["layer_types"][0] = "full_attention";
  layers.expect_error({"config.json", "layer_types"});
  Folder other("olmo2");
  other.config["architectures"] = {"LlamaForCausalLM"};
  EXPECT_FALSE(other.open().ok());
  Folder untied("llama");
  untied.config["tie_word_embeddings"] = false;
  untied.expect_error({"config.json", "tie_word_embeddings", "lm_head"});
}

// Keys as transformers 4 writes them.
TEST(HfModel, OlderConfigurations) {
  Folder folder("llama");
  const auto now = folder.open();
  ASSERT_TRUE(now.ok()) << now.message();
  folder.config["rope_scaling"] = folder.config["rope_parameters"];
  folder.config["rope_scaling"].erase("rope_theta");
  folder.config["rope_theta"] = 10000.0;
  folder.config.erase("rope_parameters");
  folder.config.erase("head_dim");
  folder.config.erase("architectures");
  const auto before = folder.open();
  ASSERT_TRUE(before.ok()) << before.message();
  json keys = now->file->metadata(), others = before->file->metadata();
  EXPECT_EQ(keys, others);
}

}  // namespace
}  // namespace lowbit::models::hf

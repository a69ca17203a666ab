// Models of a Hugging Face hub through the whole program; the hub is one of this machine.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "io/test_hub.h"
#include "program.h"

namespace lowbit::tests {
namespace {

namespace fs = std::filesystem;
using io::test::FakeHub;
using io::test::ServerAnswer;
using nlohmann::json;

class PullProgram : public testing::Test {
 protected:
  std::map<std::string, std::string> variables() const {
    return {{"HF_ENDPOINT", fake_.endpoint()},
            {"HF_HUB_CACHE", folder_.file("hub")},
            {"HF_TOKEN", "hf_secret"},
            {"HF_HUB_OFFLINE", "0"},
            {"no_proxy", "*"}};
  }
  Finished run(const std::vector<std::string>& arguments) const { return tests::run(arguments, variables()); }
  std::string incomplete() const {
    return folder_.file("hub/models--org--tiny/blobs/" + io::test::hub_hash(gguf_, true) + ".incomplete");
  }
  uint64_t arrived() const {
    std::error_code none;
    const uint64_t size = fs::file_size(incomplete(), none);
    return none ? 0 : size;
  }

  Folder folder_;
  std::string gguf_ = read_file("goldens/tiny-llama.gguf");
  FakeHub fake_{{{"tiny.gguf", gguf_},
                 {"config.json", read_file("goldens/hf/qwen3/config.json")},
                 {"model.safetensors", read_file("goldens/hf/qwen3/model.safetensors")}}};
};

TEST_F(PullProgram, EveryCommandTakesItsName) {
  const Finished pulled = run({"pull", "hf:org/tiny", "--json"});
  ASSERT_EQ(pulled.exit, 0) << pulled.err;
  const json result = json::parse(pulled.out);
  EXPECT_EQ(result["commit"], FakeHub::kCommit);
  EXPECT_EQ(result["bytes"], fake_.files()["config.json"].size() + fake_.files()["model.safetensors"].size());
  const Finished folder = run({"inspect", "hf:org/tiny", "--json"});
  ASSERT_EQ(folder.exit, 0) << folder.err;
  EXPECT_EQ(json::parse(folder.out)["architecture"], "qwen3");
  const Finished said = run({"run", "hf:org/tiny:tiny.gguf", "-p", "hello", "-n", "4", "--temp", "0", "--json"});
  ASSERT_EQ(said.exit, 0) << said.err;
  const Finished same = run({"run", "goldens/tiny-llama.gguf", "-p", "hello", "-n", "4", "--temp", "0", "--json"});
  EXPECT_EQ(json::parse(said.out)["ids"], json::parse(same.out)["ids"]);
  EXPECT_EQ(fake_.store().requests().size(), 2u);
  // What lies in the cache needs no hub.
  auto alone = variables();
  alone["HF_ENDPOINT"] = "http://127.0.0.1:1";
  EXPECT_EQ(tests::run({"inspect", "hf:org/tiny:tiny.gguf"}, alone).exit, 0);
}

TEST_F(PullProgram, WhatItSaysWhereItFails) {
  for (const auto& [name, says] : std::vector<std::pair<std::string, std::string>>{
           {"hf:org/tony", "answers 404"},
           {"hf:org/tiny:tini.gguf", "did you mean tiny.gguf?"},
           {"hf:tiny", "expected hf:ORG/NAME[:FILE][@REVISION]"},
           {"hf:org/tiny@v9", "there is no repository org/tiny with the revision v9"}}) {
    for (const char* command : {"pull", "inspect"}) {
      const Finished done = run({command, name});
      EXPECT_EQ(done.exit, 1) << name;
      EXPECT_NE(done.err.find(says), std::string::npos) << done.err;
      EXPECT_EQ(std::ranges::count(done.err, '\n'), 1) << done.err;
      EXPECT_EQ(done.err.find("hf_secret"), std::string::npos) << done.err;
    }
  }
  auto wrong = variables();
  wrong["HF_ENDPOINT"] = "ftp://127.0.0.1";
  EXPECT_NE(tests::run({"pull", "hf:org/tiny"}, wrong).err.find("HF_ENDPOINT: ftp://127.0.0.1: no address of http"),
            std::string::npos);
}

TEST_F(PullProgram, InterruptedItGoesOn) {
  fake_.change_store([](const auto&, ServerAnswer& answer) { answer.per_block = std::chrono::microseconds(10'000); });
  const Program first(folder_, {"pull", "hf:org/tiny:tiny.gguf"}, variables());
  for (int i = 0; i < 2000 && arrived() < 16'384; ++i) ::usleep(5000);
  first.interrupt();
  const Finished ended = first.wait();
  EXPECT_EQ(ended.signal, SIGINT);
  const uint64_t left = arrived();
  ASSERT_GE(left, 16'384u);
  ASSERT_LT(left, gguf_.size());
  EXPECT_EQ(fake_.store().requests().size(), 1u);
  fake_.store().forget();
  const Finished second = run({"pull", "hf:org/tiny:tiny.gguf"});
  ASSERT_EQ(second.exit, 0) << second.err;
  EXPECT_EQ(read_file(second.out.substr(0, second.out.size() - 1)), gguf_);
  ASSERT_EQ(fake_.store().requests().size(), 1u);
  EXPECT_EQ(fake_.store().requests()[0].sent, gguf_.size() - left);
}

}  // namespace
}  // namespace lowbit::tests

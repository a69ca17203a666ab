// How a text is cut and what a file without weights can do, as a user meets them.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "io/gguf_writer.h"
#include "io/model_file.h"
#include "io/model_writer.h"
#include "models/written_kinds.h"
#include "program.h"
#include "runtime/test_model.h"
#include "text/tokenizer.h"

namespace lowbit::tests {
namespace {

using nlohmann::json;

void expect_one_sentence(const Finished& done, const std::string& part) {
  EXPECT_EQ(done.exit, 1);
  EXPECT_EQ(done.out, "");
  EXPECT_EQ(done.err.find("lowbit: "), 0u) << done.err;
  EXPECT_NE(done.err.find(part), std::string::npos) << done.err;
  EXPECT_EQ(std::count(done.err.begin(), done.err.end(), '\n'), 1) << done.err;
}

// tiny-llama with the name of a way of cutting that nobody knows.
class PreTokenizerProgram : public testing::Test {
 protected:
  void SetUp() override {
    const auto source = io::open_model("goldens/tiny-llama.gguf").value();
    json metadata = source->metadata();
    metadata["tokenizer.ggml.pre"] = "new-way";
    std::vector<io::StoredTensor> stored;
    for (const io::TensorInfo& t : source->tensors()) stored.push_back({t.name, t.shape, t.parts, false});
    auto writer = io::native_kind().create(file(), {metadata, source->metadata_types(), nullptr, stored}).value();
    for (size_t i = 0; i < stored.size(); ++i) {
      ASSERT_TRUE(writer->write(stored[i].name, source->load(i).value()).ok());
    }
    ASSERT_TRUE(writer->commit().ok());
    std::string text;
    for (int i = 0; i < 40; ++i) text += "Once upon a time there was a cat who said 12345 things.\n";
    std::ofstream(folder_.file("text")) << text;
  }
  std::string file() const { return folder_.file("m.safetensors"); }
  Finished run_with(std::vector<std::string> arguments, bool named) const {
    if (named) arguments.insert(arguments.end(), {"--pre-tokenizer", "gpt-2"});
    return Program(folder_, arguments).wait();
  }

  Folder folder_;
};

TEST_F(PreTokenizerProgram, EveryCommandHasTheWayRound) {
  const std::string text = folder_.file("text"), out = folder_.file("out.safetensors");
  const std::vector<std::vector<std::string>> commands = {
      {"tokenize", file(), text, "--json"},
      {"run", file(), "-p", "Once", "-n", "3", "--json"},
      {"chat", file(), "--json"},
      {"eval", file(), "--text", text, "--context", "32", "--chunks", "2", "--json"},
      {"eval", "goldens/tiny-llama.gguf", "--base", file(), "--text", text, "--context", "32", "--chunks", "2",
       "--json"},
      {"quantize", file(), "-o", out, "--format", "int8/32", "--text", text, "--context", "32",
       "--calibration-chunks", "2", "--json"}};
  for (const auto& command : commands) {
    expect_one_sentence(run_with(command, false), "--pre-tokenizer NAME");
    const Finished done = run_with(command, true);
    EXPECT_EQ(done.exit, 0) << command[0] << done.err;
    EXPECT_TRUE(json::accept(done.out)) << done.out;
  }
  // What was made names the way, so that nobody has to say it again.
  const Finished made = run_with({"tokenize", out, text, "--json"}, false);
  ASSERT_EQ(made.exit, 0) << made.err;
  EXPECT_EQ(made.out, run_with(commands[0], true).out);
}

TEST_F(PreTokenizerProgram, OtherKindsHaveNone) {
  const std::vector<std::string> command = {"embed", "goldens/sentences/tiny-bert", "-p", "x"};
  EXPECT_EQ(run_with(command, false).exit, 0);
  expect_one_sentence(run_with(command, true), "the only kind with a pre-tokenizer");
}

TEST(VocabularyProgram, AFileWithoutWeightsHasATokenizerAlone) {
  const Folder folder;
  runtime::test::TableModel model;
  model.tokens = {"a", "b", " "};
  json metadata = runtime::test::table_metadata(model);
  const std::string path = folder.file("v.gguf");
  {
    auto writer = models::written_kind(path)->create(path, {metadata, {}, nullptr, {}});
    ASSERT_TRUE(writer.ok()) << writer.message();
    ASSERT_TRUE((*writer)->commit().ok());
  }
  std::ofstream(folder.file("text")) << "ab a";
  const Finished ids = Program(folder, {"tokenize", path, folder.file("text"), "--json"}).wait();
  ASSERT_EQ(ids.exit, 0) << ids.err;
  EXPECT_EQ(json::parse(ids.out).at("ids"), json({0, 1, 2, 0}));
  const Finished facts = Program(folder, {"inspect", path, "--json"}).wait();
  ASSERT_EQ(facts.exit, 0) << facts.err;
  EXPECT_EQ(json::parse(facts.out).at("tokenizer"), json({{"kind", "gpt2"}, {"pre", "gpt-2"}, {"tokens", 3}}));
  EXPECT_EQ(json::parse(facts.out).at("runnable"), false);
  EXPECT_NE(Program(folder, {"inspect", path}).wait().out.find("gpt2 (gpt-2), 3 tokens"), std::string::npos);
  const std::vector<std::vector<std::string>> commands = {
      {"run", path, "-p", "a"},
      {"chat", path},
      {"embed", path, "-p", "a"},
      {"eval", path, "--text", folder.file("text")},
      {"quantize", path, "-o", folder.file("o.safetensors"), "--format", "int8/64"}};
  for (const auto& command : commands) {
    expect_one_sentence(Program(folder, command).wait(), "holds no tensor, only a vocabulary");
  }
}

}  // namespace
}  // namespace lowbit::tests

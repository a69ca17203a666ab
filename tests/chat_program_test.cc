// run and chat as a user meets them: messages on standard input, Ctrl-C.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "program.h"
#include "runtime/test_model.h"

namespace lowbit::tests {
namespace {

using nlohmann::json;

class ChatProgram : public testing::Test {
 protected:
  // Replies "ho" to everything; "a" is followed by "a".
  void SetUp() override {
    runtime::test::TableModel model;
    model.tokens = {"u", "s", "e", "r", "a", "i", "t", "n", "\n", "h", "o", "<|im_start|>", "<|im_end|>"};
    model.logits = runtime::test::chain({0, 0, 0, 0, 4, 0, 0, 0, 9, 10, 12, 0, 0});
    model.eos = 12;
    model.context = 1 << 20;
    model.chat_template = runtime::test::kChatml;
    runtime::test::write_table_model(folder_.file("m.safetensors"), model);
  }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_.file(name)) << text;
    return folder_.file(name);
  }
  Finished chat(const std::string& input, std::vector<std::string> options) const {
    std::vector<std::string> arguments = {"chat", folder_.file("m.safetensors"), "--temp", "0"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    return Program(folder_, arguments, {}, write("input", input)).wait();
  }

  Folder folder_;
};

TEST_F(ChatProgram, AnswersEachLine) {
  const Finished done = chat("tea\n\nrain\n/reset\nsit\n/quit\nnever read\n", {});
  EXPECT_EQ(done.exit, 0) << done.err;
  EXPECT_EQ(done.out, "ho\nho\nho\n");
  size_t summaries = 0;
  for (size_t at = 0; (at = done.err.find(" generated at ", at)) != std::string::npos; ++at) ++summaries;
  EXPECT_EQ(summaries, 3u) << done.err;
}

TEST_F(ChatProgram, JsonHoldsEveryTurn) {
  const Finished done = chat("tea\n" + std::string(200, 'a') + "\ni\n", {"--json", "--ctx", "80"});
  EXPECT_EQ(done.exit, 1);
  const json turns = json::parse(done.out).at("turns");
  ASSERT_EQ(turns.size(), 3u);
  EXPECT_EQ(turns[0].at("text"), "ho");
  EXPECT_EQ(turns[1].at("prompt"), std::string(200, 'a'));
  EXPECT_NE(turns[1].at("error").get<std::string>().find("room for 80"), std::string::npos);
  EXPECT_EQ(turns[2].at("text"), "ho");
  EXPECT_EQ(done.err.find("lowbit: message 2: the prompt has"), 0u) << done.err;
  EXPECT_EQ(std::count(done.err.begin(), done.err.end(), '\n'), 1) << done.err;
}

// A prompt that takes many seconds to read.
TEST_F(ChatProgram, CtrlCWhileThePromptIsRead) {
  const Program program(folder_, {"run", folder_.file("m.safetensors"), "-p", "-", "--json", "--threads", "1"}, {},
                        write("prompt", std::string(300000, 'a')));
  ASSERT_TRUE(program.catches_interrupts());
  ::usleep(300'000);
  program.interrupt();
  const Finished done = program.wait();
  ASSERT_EQ(done.exit, 0) << done.signal << done.err;
  const json result = json::parse(done.out);
  EXPECT_EQ(result.at("finish_reason"), "cancelled");
  EXPECT_GT(result.at("prompt_tokens").get<int>(), 0);
  EXPECT_LT(result.at("prompt_tokens").get<int>(), 300000);
  EXPECT_EQ(result.at("text"), "");
}

TEST_F(ChatProgram, CtrlCWhileTheModelSpeaks) {
  const Program program(
      folder_, {"run", folder_.file("m.safetensors"), "-p", "a", "-n", "-1", "--ctx", "1000000", "--threads", "1"});
  ASSERT_TRUE(program.has_output());
  program.interrupt();
  const Finished done = program.wait();
  ASSERT_EQ(done.exit, 0) << done.signal << done.err;
  EXPECT_EQ(done.out.find_first_not_of('a'), done.out.size() - 1);
  EXPECT_EQ(done.out.back(), '\n');
  EXPECT_NE(done.err.find("ended: cancelled"), std::string::npos) << done.err;
}

}  // namespace
}  // namespace lowbit::tests

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

// Prompt tokens that `run --chat` makes of a template, or -1 with the error in err_.
class ChatOptionsProgram : public ChatProgram {
 protected:
  int prompt_tokens(const std::string& chat_template, std::vector<std::string> options) {
    std::vector<std::string> arguments = {"run",
                                          folder_.file("m.safetensors"),
                                          "-p",
                                          "o",
                                          "--chat",
                                          "-n",
                                          "1",
                                          "--template-file",
                                          write("t.jinja", chat_template),
                                          "--json"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    const Finished done = Program(folder_, arguments).wait();
    exit_ = done.exit;
    err_ = done.err;
    return done.exit == 0 ? json::parse(done.out).at("prompt_tokens").get<int>() : -1;
  }
  int exit_ = 0;
  std::string err_;
};

TEST_F(ChatOptionsProgram, TemplateOfAFileWithVariables) {
  const std::string text =
      "{{ 'a' * (n | default(2)) }}{% if s == 'e=e' %}uu{% endif %}{% for m in messages %}{{ "
      "m.content }}{% endfor %}";
  EXPECT_EQ(prompt_tokens(text, {}), 3) << err_;
  EXPECT_EQ(prompt_tokens(text, {"--template-arg", "n=7"}), 8) << err_;
  EXPECT_EQ(prompt_tokens(text, {"--template-arg", "n=7", "--template-arg", "s=\"e=e\""}), 10) << err_;
  EXPECT_EQ(prompt_tokens(text, {"--template-arg", "n=7", "--template-arg", "n=1"}), 2) << "the last one counts";
  EXPECT_EQ(prompt_tokens(text, {"--system", "tea"}), 6) << err_;
}

TEST_F(ChatOptionsProgram, ToolsReachTheTemplateInTheirOrder) {
  const std::string text =
      "{% for t in tools %}{{ 'a' * t.n }}{% endfor %}{% if (tools | tojson) == '[{\"z\": 1, "
      "\"n\": 3}]' %}uuuu{% endif %}o";
  EXPECT_EQ(prompt_tokens(text, {"--tools", write("tools", R"([{"z": 1, "n": 3}])")}), 8) << err_;
  EXPECT_EQ(prompt_tokens(text, {"--tools", write("tools", R"([{"n": 3, "z": 1}])")}), 4) << err_;
  for (const char* wrong : {"{}", "[1]", "no JSON"}) {
    EXPECT_EQ(prompt_tokens(text, {"--tools", write("tools", wrong)}), -1);
    EXPECT_EQ(exit_, 1);
    EXPECT_NE(err_.find("tools: "), std::string::npos) << err_;
    EXPECT_EQ(std::count(err_.begin(), err_.end(), '\n'), 1) << err_;
  }
  EXPECT_EQ(prompt_tokens(text, {"--tools", write("tools", std::string(200, '[') + std::string(200, ']'))}), -1);
  EXPECT_NE(err_.find("nested more than"), std::string::npos) << err_;
}

TEST_F(ChatOptionsProgram, WrongVariablesAreWrongUsage) {
  for (const char* wrong : {"n", "=1", "n=", "n=yes", "1n=1", "messages=[]", "tools=[]"}) {
    EXPECT_EQ(prompt_tokens("a", {"--template-arg", wrong}), -1);
    EXPECT_EQ(exit_, 2) << wrong;
    EXPECT_EQ(err_.find("lowbit: run: --template-arg: "), 0u) << err_;
  }
  for (const char* option : {"--system", "--template-file", "--tools"}) {
    const Finished done = run({"run", folder_.file("m.safetensors"), "-p", "o", option, "x"});
    EXPECT_EQ(done.exit, 2);
    EXPECT_EQ(done.err.find(std::string("lowbit: run: ") + option + " goes with --chat"), 0u) << done.err;
  }
}

TEST_F(ChatOptionsProgram, ChatTakesTheSameOptions) {
  const std::string refuses =
      "{% if not enable %}{{ raise_exception('not enabled') }}{% endif %}{{ "
      "messages[0].content }}{{ '\\n' }}";
  const std::vector<std::string> options = {"--template-file", write("t.jinja", refuses)};
  const Finished refused = chat("tea\n", options);
  EXPECT_EQ(refused.exit, 1);
  EXPECT_NE(refused.err.find("t.jinja: chat template, line 1: not enabled"), std::string::npos) << refused.err;
  const Finished taken = chat("tea\n", {options[0], options[1], "--template-arg", "enable=true"});
  EXPECT_EQ(taken.exit, 0) << taken.err;
  EXPECT_EQ(taken.out, "ho\n");
}

TEST_F(ChatProgram, AModelWithoutATemplateSaysTheWaysRound) {
  runtime::test::TableModel model;
  model.tokens = {"a", "b"};
  model.logits = runtime::test::chain({1, 0});
  runtime::test::write_table_model(folder_.file("base.safetensors"), model);
  for (const Finished& done : {Program(folder_, {"chat", folder_.file("base.safetensors")}).wait(),
                               run({"run", folder_.file("base.safetensors"), "-p", "a", "--chat"})}) {
    EXPECT_EQ(done.exit, 1);
    EXPECT_NE(done.err.find("has no chat template"), std::string::npos) << done.err;
    EXPECT_NE(done.err.find("run without --chat"), std::string::npos) << done.err;
    EXPECT_NE(done.err.find("--template-file"), std::string::npos) << done.err;
    EXPECT_EQ(std::count(done.err.begin(), done.err.end(), '\n'), 1) << done.err;
  }
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

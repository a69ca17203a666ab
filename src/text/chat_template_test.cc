#include "text/chat_template.h"

#include <gtest/gtest.h>

#include <vector>

namespace lowbit::text {
namespace {

// As SmolLM2 carries it: the line breaks of the literals are line breaks.
constexpr const char* kSmollm2 =
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou "
    "are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + "
    "message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ "
    "'<|im_start|>assistant\n' }}{% endif %}";

Result<ChatTemplate> from_text(const std::string& text) {
  return ChatTemplate::from_metadata({{"tokenizer.chat_template", text}}, "m.gguf");
}

std::string written(const ChatTemplate& chat, const std::vector<Message>& messages, bool add_generation_prompt) {
  const auto out = chat.apply(messages, add_generation_prompt);
  return out.ok() ? *out : "error: " + out.message();
}

TEST(ChatTemplate, Smollm2InsertsItsSystemMessage) {
  const auto chat = from_text(kSmollm2);
  ASSERT_TRUE(chat.ok()) << chat.message();
  const std::vector<Message> messages = {{"user", "Hi"}, {"assistant", "Yes?"}, {"user", "2+2\n"}};
  const std::string body =
      "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nYes?<|im_end|>\n<|im_start|>user\n2+2\n<|im_end|>\n";
  const std::string system =
      "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n";
  EXPECT_EQ(written(*chat, messages, false), system + body);
  EXPECT_EQ(written(*chat, messages, true), system + body + "<|im_start|>assistant\n");
}

TEST(ChatTemplate, AGivenSystemMessageReplacesTheDefault) {
  const auto chat = from_text(kSmollm2);
  ASSERT_TRUE(chat.ok());
  EXPECT_EQ(written(*chat, {{"system", "Be brief."}, {"user", "Hi"}}, true),
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(written(*chat, {}, true), "<|im_start|>assistant\n");
  EXPECT_EQ(written(*chat, {}, false), "");
}

TEST(ChatTemplate, SpecialTokensComeFromTheVocabulary) {
  const auto chat =
      ChatTemplate::from_metadata({{"tokenizer.chat_template", "{{ bos_token }}|{{ eos_token }}|{{ unk_token }}"},
                                   {"tokenizer.ggml.tokens", {"a", "<s>", "</s>"}},
                                   {"tokenizer.ggml.bos_token_id", 1},
                                   {"tokenizer.ggml.eos_token_id", 2}},
                                  "m.gguf");
  ASSERT_TRUE(chat.ok()) << chat.message();
  EXPECT_EQ(written(*chat, {}, false), "<s>|</s>|");
}

TEST(ChatTemplate, ToolsTimeAndFurtherVariables) {
  const auto chat = from_text(
      "{{ strftime_now('%Y-%m-%d') }} {{ tools[0].name if tools else 'none' }} {{ enable_thinking is false }} "
      "{{ 'content' in messages[0] }} {{ messages[0].tool_calls[0].id }}");
  ASSERT_TRUE(chat.ok()) << chat.message();
  ChatOptions options;
  options.now = std::tm{};
  options.now->tm_year = 124, options.now->tm_mon = 6, options.now->tm_mday = 26;
  const nlohmann::ordered_json messages = {
      {{"role", "assistant"}, {"content", nullptr}, {"tool_calls", {{{"id", "c1"}}}}}};
  EXPECT_EQ(chat->apply(messages, options).value(), "2024-07-26 none False False c1");
  options.tools = {{{"name", "f"}}};
  options.variables["enable_thinking"] = false;
  EXPECT_EQ(chat->apply(messages, options).value(), "2024-07-26 f True False c1");
}

TEST(ChatTemplate, NamedTemplates) {
  const nlohmann::json list = {{{"name", "tool_use"}, {"template", "T"}}, {{"name", "default"}, {"template", "D"}}};
  for (const nlohmann::json& metadata :
       {nlohmann::json{{"tokenizer.chat_template", list}},
        nlohmann::json{{"tokenizer.chat_template", "D"}, {"tokenizer.chat_template.tool_use", "T"}}}) {
    const auto chat = ChatTemplate::from_metadata(metadata, "m");
    ASSERT_TRUE(chat.ok()) << chat.message();
    ChatOptions options;
    EXPECT_EQ(chat->apply(nlohmann::ordered_json::array(), options).value(), "D");
    options.tools = {{{"name", "f"}}};
    EXPECT_EQ(chat->apply(nlohmann::ordered_json::array(), options).value(), "T");
  }
  const auto broken = ChatTemplate::from_metadata({{"tokenizer.chat_template", {{{"name", "x"}}}}}, "m");
  ASSERT_FALSE(broken.ok());
  EXPECT_NE(broken.message().find("lacks a \"name\" or a \"template\""), std::string::npos) << broken.message();
}

TEST(ChatTemplate, FromATextKeepsTheSpecialTokens) {
  const nlohmann::json metadata = {{"tokenizer.ggml.tokens", {"<s>", "a"}},
                                   {"tokenizer.ggml.bos_token_id", 0},
                                   {"tokenizer.chat_template", "the model's own"}};
  const auto chat = ChatTemplate::from_text("{{ bos_token }}|{{ eos_token is defined }}", "t.jinja", metadata);
  ASSERT_TRUE(chat.ok()) << chat.message();
  EXPECT_EQ(chat->apply(nlohmann::ordered_json::array(), ChatOptions{}).value(), "<s>|False");
  const auto broken = ChatTemplate::from_text("{% if %}", "t.jinja", metadata);
  ASSERT_FALSE(broken.ok());
  EXPECT_EQ(broken.message().find("t.jinja: chat template, line 1"), 0u) << broken.message();
}

TEST(ChatTemplate, ErrorsSayWhatIsMissing) {
  const auto none = ChatTemplate::from_metadata(nlohmann::json::object(), "m.gguf");
  ASSERT_FALSE(none.ok());
  EXPECT_NE(none.message().find("m.gguf: the model has no chat template"), std::string::npos) << none.message();
  const auto broken = from_text("a\n{% for x in %}");
  ASSERT_FALSE(broken.ok());
  EXPECT_EQ(broken.message(), "m.gguf: chat template, line 2: found \"end of the tag\", expected an expression");
  const auto number = ChatTemplate::from_metadata({{"tokenizer.chat_template", 7}}, "m.gguf");
  ASSERT_FALSE(number.ok());
  EXPECT_EQ(number.message(), "m.gguf: metadata key \"tokenizer.chat_template\" is 7, expected a string");
  const auto refuses =
      from_text("\n{% if messages[0].role == 'system' %}{{ raise_exception('No system role') }}{% endif %}");
  ASSERT_TRUE(refuses.ok());
  EXPECT_EQ(written(*refuses, {{"system", "x"}}, true), "error: m.gguf: chat template, line 2: No system role");
}

}  // namespace
}  // namespace lowbit::text

#include "text/chat_template.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
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

TEST(ChatTemplate, Smollm2InsertsItsSystemMessage) {
  const auto chat = from_text(kSmollm2);
  ASSERT_TRUE(chat.ok()) << chat.message();
  EXPECT_EQ(chat->name(), "chatml");
  const std::vector<Message> messages = {{"user", "Hi"}, {"assistant", "Yes?"}, {"user", "2+2\n"}};
  const std::string body =
      "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nYes?<|im_end|>\n<|im_start|>user\n2+2\n<|im_end|>\n";
  const std::string system =
      "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n";
  EXPECT_EQ(chat->apply(messages, false), system + body);
  EXPECT_EQ(chat->apply(messages, true), system + body + "<|im_start|>assistant\n");
}

TEST(ChatTemplate, AGivenSystemMessageReplacesTheDefault) {
  const auto chat = from_text(kSmollm2);
  ASSERT_TRUE(chat.ok());
  const std::vector<Message> messages = {{"system", "Be brief."}, {"user", "Hi"}};
  EXPECT_EQ(chat->apply(messages, true),
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(chat->apply({}, true), "<|im_start|>assistant\n");
  EXPECT_EQ(chat->apply({}, false), "");
}

TEST(ChatTemplate, PlainChatmlInsertsNothing) {
  const auto chat = from_text(
      "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + "
      "'<|im_end|>' + '\\n'}}{% endfor %}");
  ASSERT_TRUE(chat.ok());
  EXPECT_EQ(chat->default_system(), "");
  const std::vector<Message> messages = {{"user", "Hi"}};
  EXPECT_EQ(chat->apply(messages, false), "<|im_start|>user\nHi<|im_end|>\n");
}

TEST(ChatTemplate, TheDefaultIsTheLiteralNotWhatIsFilledIn) {
  // A template that opens system turns in three ways; only one holds a literal, with its break escaped.
  const auto chat = from_text(
      "{%- if tools %}{{- '<|im_start|>system\\n' }}{{- tools }}{{- '<|im_end|>\\n' }}{%- elif "
      "messages[0]['role'] == 'system' %}{{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}"
      "{%- else %}{{- '<|im_start|>system\\nThe built-in\\none.<|im_end|>\\n' }}{%- endif %}");
  ASSERT_TRUE(chat.ok());
  EXPECT_EQ(chat->default_system(), "The built-in\none.");
}

TEST(ChatTemplate, ErrorsSayWhatIsMissing) {
  const auto none = ChatTemplate::from_metadata(nlohmann::json::object(), "m.gguf");
  ASSERT_FALSE(none.ok());
  EXPECT_NE(none.message().find("m.gguf: the model has no chat template"), std::string::npos) << none.message();
  const auto other = from_text("[INST] {{ x }}\n[/INST]");
  ASSERT_FALSE(other.ok());
  EXPECT_NE(other.message().find("chatml"), std::string::npos) << other.message();
  EXPECT_NE(other.message().find("[INST] {{ x }}\\x0a[/INST]"), std::string::npos) << other.message();
  const auto number = ChatTemplate::from_metadata({{"tokenizer.chat_template", 7}}, "m.gguf");
  ASSERT_FALSE(number.ok());
  EXPECT_EQ(number.message(), "m.gguf: metadata key \"tokenizer.chat_template\" is 7, expected a string");
}

}  // namespace
}  // namespace lowbit::text

// Chat templates: how a conversation is written for a model. The template is the model's own, in Jinja (jinja/).
#pragma once

#include <ctime>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/jinja/template.h"

namespace lowbit::text {

struct Message {
  std::string role;  // "system", "user", "assistant", "tool"
  std::string content;
  nlohmann::ordered_json more =
      nlohmann::ordered_json::object();  // tool_calls, name, tool_call_id, reasoning_content …
};

// Messages as templates see them: objects with role and content.
nlohmann::ordered_json to_json(std::span<const Message> messages);

struct ChatOptions {
  bool add_generation_prompt = false;  // ends with what opens the assistant's reply
  nlohmann::ordered_json tools;        // an array of functions with their JSON schemas; null: none
  nlohmann::ordered_json variables = nlohmann::ordered_json::object();  // enable_thinking, documents, date_string …
  std::optional<std::tm> now;  // what strftime_now tells; the local time without it
};

class ChatTemplate {
 public:
  // From "tokenizer.chat_template": a text, or a list of {"name", "template"}; further templates as GGUF has them, in
  // "tokenizer.chat_template.NAME". An error where the model has none (it is no chat model) or one that is no
  // template.
  static Result<ChatTemplate> from_metadata(const nlohmann::json& metadata, std::string_view source_name);

  // The same from a text of its own; the metadata gives the special tokens. template_name: for error messages.
  static Result<ChatTemplate> from_text(const std::string& text, std::string_view template_name,
                                        const nlohmann::json& metadata);

  // The conversation as the model wants it, to be encoded with parse_control and without BOS. messages: an array of
  // objects; keys that are null are left out. With tools, the template "tool_use" where there is one. Contents are
  // taken as they are (write_chat keeps control tokens out of them). Errors: what the template itself refuses
  // (raise_exception), what it does wrong, what it may not cost; with its line.
  Result<std::string> apply(const nlohmann::ordered_json& messages, const ChatOptions& options) const;
  Result<std::string> apply(std::span<const Message> messages, bool add_generation_prompt) const;

 private:
  struct Named {
    std::string name;
    jinja::Template body;
  };
  Status add(std::string name, const std::string& text);
  const Named& choose(bool with_tools) const;
  Error error(const Named& chosen, const std::string& problem) const;

  std::string source_;
  std::vector<Named> templates_;                                      // "default" first
  nlohmann::ordered_json tokens_ = nlohmann::ordered_json::object();  // bos_token, eos_token …
};

}  // namespace lowbit::text

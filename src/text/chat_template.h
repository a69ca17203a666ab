// Chat templates: how a conversation is written for a model. Known templates are rows of templates.inc; a template is
// recognised by its text, never interpreted.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace lowbit::text {

struct Message {
  std::string role;  // "system", "user", "assistant"
  std::string content;
};

class ChatTemplate {
 public:
  // From "tokenizer.chat_template". An error where the model has none (it is no chat model) or none that is known.
  static Result<ChatTemplate> from_metadata(const nlohmann::json& metadata, std::string_view source_name);

  // The conversation as the model wants it, to be encoded with parse_control and without BOS. add_generation_prompt:
  // ends with what opens the assistant's reply. Contents are taken as they are.
  std::string apply(std::span<const Message> messages, bool add_generation_prompt) const;

  std::string_view name() const { return name_; }
  // Inserted where the first message is no system message; empty: nothing is.
  const std::string& default_system() const { return default_system_; }

 private:
  using Write = std::string (*)(std::span<const Message> messages, bool add_generation_prompt);
  struct Row;
  static const Row kRows[];

  std::string_view name_;
  Write write_ = nullptr;
  std::string default_system_;
};

}  // namespace lowbit::text

// A conversation written by a chat template, with what came from messages kept apart from what the template wrote:
// the names of control tokens in a message are text, whoever typed them.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace lowbit::text {

struct ChatPrompt {
  std::string text;
  std::vector<TextRange> plain;  // names of control tokens that stood in messages

  // Ids of text[from, end), without BOS. lost_bytes as in EncodeOptions.
  std::vector<int32_t> encode(const Tokenizer& tokenizer, size_t from = 0, uint64_t* lost_bytes = nullptr) const;
};

// Each name of a control token in a message (its content, calls and names of tools, anything but its role) or in the
// description of a tool is replaced by a placeholder before the template is applied, and put back where the
// placeholder then stands: a template may trim, cut or repeat contents as it likes. Errors are those of
// ChatTemplate::apply.
Result<ChatPrompt> write_chat(const ChatTemplate& chat_template, const Tokenizer& tokenizer,
                              const nlohmann::ordered_json& messages, const ChatOptions& options);
Result<ChatPrompt> write_chat(const ChatTemplate& chat_template, const Tokenizer& tokenizer,
                              std::span<const Message> messages, bool add_generation_prompt);

}  // namespace lowbit::text

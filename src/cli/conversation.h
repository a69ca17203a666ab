// A conversation in the model's chat template, fed turn by turn: what the session's cache holds is not fed again.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "runtime/generate.h"
#include "text/chat_prompt.h"

namespace lowbit::cli {

class Conversation {
 public:
  // system: empty for the template's own. An error where the model has no chat template.
  static Result<Conversation> create(runtime::Engine& engine, std::string system, int64_t context);

  // The reply to a message. After an error, or where it was cancelled before the reply began, the message is
  // forgotten.
  Result<runtime::Generation> reply(const std::string& message, const runtime::GenerateOptions& options,
                                    const std::function<void(std::string_view)>& on_text);
  void reset();
  // What the session holds.
  std::span<const int32_t> tokens() const { return session_->tokens(); }

 private:
  Conversation(runtime::Engine& engine, text::ChatTemplate chat_template, std::string system, int64_t context);
  void begin_session();
  // Ids of what the session does not hold yet; begins a new session where its text is no beginning of the whole.
  std::vector<int32_t> unfed(const text::ChatPrompt& whole);

  runtime::Engine* engine_;
  text::ChatTemplate template_;
  std::string system_;
  int64_t context_;
  std::vector<text::Message> messages_;
  std::optional<runtime::Session> session_;
  std::string held_;  // the text whose tokens the session holds
};

}  // namespace lowbit::cli

// A conversation in the model's chat template, fed turn by turn: what the session's cache holds is not fed again.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "runtime/generate.h"
#include "text/chat_prompt.h"

namespace lowbit::cli {

// How the conversation is written.
struct Writing {
  text::ChatTemplate chat_template;
  text::ChatOptions options;
  std::string system;  // empty: the template's own
};

class Conversation {
 public:
  Conversation(runtime::Engine& engine, Writing writing, int64_t context);

  // The reply to a message. After an error, or where it was cancelled before the reply began, the message is
  // forgotten.
  Result<runtime::Generation> reply(const std::string& message, const runtime::GenerateOptions& options,
                                    const std::function<void(std::string_view)>& on_text);
  void reset();
  // What the session holds.
  std::span<const int32_t> tokens() const { return session_->tokens(); }

 private:
  void begin_session();
  // Ids of what the session does not hold yet; begins a new session where its text is no beginning of the whole.
  std::vector<int32_t> unfed(const text::ChatPrompt& whole);

  runtime::Engine* engine_;
  Writing writing_;
  int64_t context_;
  std::vector<text::Message> messages_;
  std::optional<runtime::Session> session_;
  std::string held_;  // the text whose tokens the session holds
};

}  // namespace lowbit::cli

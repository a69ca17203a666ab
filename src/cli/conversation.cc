#include "cli/conversation.h"

namespace lowbit::cli {

Conversation::Conversation(runtime::Engine& engine, Writing writing, int64_t context)
    : engine_(&engine), writing_(std::move(writing)), context_(context) {
  reset();
}

void Conversation::reset() {
  messages_.clear();
  if (!writing_.system.empty()) messages_.push_back({"system", writing_.system});
  begin_session();
}

void Conversation::begin_session() {
  session_.emplace(*engine_, context_);
  held_.clear();
}

std::vector<int32_t> Conversation::unfed(const text::ChatPrompt& whole) {
  if (!whole.text.starts_with(held_)) begin_session();
  return whole.encode(*engine_->tokenizer, held_.size());
}

Result<runtime::Generation> Conversation::reply(const std::string& message, const runtime::GenerateOptions& options,
                                                const std::function<void(std::string_view)>& on_text) {
  messages_.push_back({"user", message});
  const auto written =
      text::write_chat(writing_.chat_template, *engine_->tokenizer, text::to_json(messages_), writing_.options);
  if (!written.ok()) {
    messages_.pop_back();
    return written.error();
  }
  const text::ChatPrompt& whole = *written;
  const std::vector<int32_t> prompt = unfed(whole);
  const int64_t before = session_->length();
  auto generation = session_->generate(prompt, options, on_text);
  if (!generation.ok() || generation->prompt_tokens < static_cast<int64_t>(prompt.size())) {
    messages_.pop_back();
    if (session_->length() != before) begin_session();
    return generation;
  }
  messages_.push_back({"assistant", generation->text});
  // Where the reply ended at a stop text or a full context, the session holds not exactly its tokens: the next turn
  // feeds all of it again.
  const auto fed = before + static_cast<int64_t>(prompt.size() + generation->ids.size());
  if (session_->length() == fed) {
    held_ = whole.text + generation->text;
  } else {
    begin_session();
  }
  return generation;
}

}  // namespace lowbit::cli

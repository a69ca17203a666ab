#include "text/chat_prompt.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace lowbit::text {
namespace {

// Characters of the private use area around a placeholder's number.
constexpr std::string_view kOpen = "\xEE\x80\x80", kClose = "\xEE\x80\x81";

// What placeholders begin with: no message contains it.
std::string unused_opening(std::span<const Message> messages) {
  for (size_t salt = 0;; ++salt) {
    const std::string opening = fmt::format("{}{}:", kOpen, salt);
    const auto contains = [&](const Message& m) { return m.content.find(opening) != std::string::npos; };
    if (std::none_of(messages.begin(), messages.end(), contains)) return opening;
  }
}

// Takes the names out of a content: name i of the list stands as OPENING i CLOSE.
std::string with_placeholders(const Tokenizer& tokenizer, std::string_view content, std::string_view opening,
                              std::vector<std::string>& names) {
  std::string out;
  size_t done = 0;
  for (const TextRange& name : tokenizer.control_names(content)) {
    out += content.substr(done, name.begin - done);
    out += fmt::format("{}{}{}", opening, names.size(), kClose);
    names.emplace_back(content.substr(name.begin, name.end - name.begin));
    done = name.end;
  }
  return out.append(content.substr(done));
}

// Puts them back. What has the beginning of a placeholder but is none (a template cut it) stays as it is.
ChatPrompt with_names(std::string_view written, std::string_view opening, const std::vector<std::string>& names) {
  ChatPrompt out;
  while (!written.empty()) {
    const size_t at = std::min(written.find(opening), written.size());
    out.text += written.substr(0, at);
    written.remove_prefix(at);
    if (written.empty()) break;
    size_t index = 0;
    const char* end = written.data() + written.size();
    const auto [stop, problem] = std::from_chars(written.data() + opening.size(), end, index);
    const size_t length = static_cast<size_t>(stop - written.data());
    if (problem == std::errc() && index < names.size() && written.substr(length).starts_with(kClose)) {
      out.plain.push_back({out.text.size(), out.text.size() + names[index].size()});
      out.text += names[index];
      written.remove_prefix(length + kClose.size());
    } else {
      out.text += opening;
      written.remove_prefix(opening.size());
    }
  }
  return out;
}

}  // namespace

std::vector<int32_t> ChatPrompt::encode(const Tokenizer& tokenizer, size_t from, uint64_t* lost_bytes) const {
  std::vector<TextRange> ranges;
  for (const TextRange& range : plain) {
    if (range.end > from) ranges.push_back({std::max(range.begin, from) - from, range.end - from});
  }
  return tokenizer.encode(std::string_view(text).substr(from), {true, false, lost_bytes, ranges});
}

ChatPrompt write_chat(const ChatTemplate& chat_template, const Tokenizer& tokenizer,
                      std::span<const Message> messages, bool add_generation_prompt) {
  const std::string opening = unused_opening(messages);
  std::vector<std::string> names;
  std::vector<Message> marked;
  for (const Message& message : messages) {
    marked.push_back({message.role, with_placeholders(tokenizer, message.content, opening, names)});
  }
  return with_names(chat_template.apply(marked, add_generation_prompt), opening, names);
}

}  // namespace lowbit::text

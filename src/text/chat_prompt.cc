#include "text/chat_prompt.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace lowbit::text {
namespace {

// Characters of the private use area around a placeholder's number.
constexpr std::string_view kOpen = "\xEE\x80\x80", kClose = "\xEE\x80\x81";

using Json = nlohmann::ordered_json;

bool any_string_contains(const Json& json, std::string_view part) {
  if (json.is_string()) return json.get_ref<const std::string&>().find(part) != std::string::npos;
  if (!json.is_structured()) return false;
  return std::any_of(json.begin(), json.end(), [&](const Json& item) { return any_string_contains(item, part); });
}

// What placeholders begin with: no text contains it.
std::string unused_opening(const Json& messages, const Json& tools) {
  for (size_t salt = 0;; ++salt) {
    const std::string opening = fmt::format("{}{}:", kOpen, salt);
    if (!any_string_contains(messages, opening) && !any_string_contains(tools, opening)) return opening;
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

// The same for all strings of a value but those of the key "role".
Json all_with_placeholders(const Tokenizer& tokenizer, const Json& json, std::string_view opening,
                           std::vector<std::string>& names) {
  if (json.is_string()) return Json(with_placeholders(tokenizer, json.get_ref<const std::string&>(), opening, names));
  if (!json.is_structured()) return json;
  Json out = json;
  for (auto it = out.begin(); it != out.end(); ++it) {
    if (!json.is_object() || it.key() != "role") *it = all_with_placeholders(tokenizer, *it, opening, names);
  }
  return out;
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
  return tokenizer.encode(std::string_view(text).substr(from), {true, false, lost_bytes, false, ranges});
}

Result<ChatPrompt> write_chat(const ChatTemplate& chat_template, const Tokenizer& tokenizer, const Json& messages,
                              const ChatOptions& options) {
  const std::string opening = unused_opening(messages, options.tools);
  std::vector<std::string> names;
  ChatOptions marked = options;
  marked.tools = all_with_placeholders(tokenizer, options.tools, opening, names);
  LOWBIT_ASSIGN(const std::string written,
                chat_template.apply(all_with_placeholders(tokenizer, messages, opening, names), marked));
  return with_names(written, opening, names);
}

Result<ChatPrompt> write_chat(const ChatTemplate& chat_template, const Tokenizer& tokenizer,
                              std::span<const Message> messages, bool add_generation_prompt) {
  ChatOptions options;
  options.add_generation_prompt = add_generation_prompt;
  return write_chat(chat_template, tokenizer, to_json(messages), options);
}

}  // namespace lowbit::text

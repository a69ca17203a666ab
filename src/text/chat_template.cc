#include "text/chat_template.h"

#include <nlohmann/json.hpp>
#include <vector>

#include "text/metadata.h"

namespace lowbit::text {
namespace {

constexpr const char* kTemplate = "tokenizer.chat_template";

std::string write_chatml(std::span<const Message> messages, bool add_generation_prompt) {
  std::string out;
  for (const Message& message : messages) {
    out.append("<|im_start|>").append(message.role).append("\n").append(message.content).append("<|im_end|>\n");
  }
  if (add_generation_prompt) out += "<|im_start|>assistant\n";
  return out;
}

// Template texts hold the line break of a string literal as itself or as backslash and n.
std::string unescape_breaks(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i, 2) == "\\n") {
      out += '\n';
      ++i;
    } else {
      out += text[i];
    }
  }
  return out;
}

// The literal between the opening of a system turn and its end, in a template that asks whether the first message is
// a system message. A system turn that is filled from a message leaves its string literal first.
std::string chatml_default_system(std::string_view text) {
  constexpr std::string_view kEnd = "<|im_end|>";
  if (text.find("messages[0]") == text.npos) return {};
  for (const std::string_view open : {"<|im_start|>system\n", "<|im_start|>system\\n"}) {
    for (size_t at = text.find(open); at != text.npos; at = text.find(open, at + 1)) {
      const std::string_view rest = text.substr(at + open.size());
      const std::string_view literal = rest.substr(0, rest.find(kEnd));
      if (literal.size() == rest.size() || literal.empty()) continue;
      bool leaves = false;
      for (const std::string_view mark : {"}}", "{%", "' +", "\" +", "'+", "\"+", "' ~", "\" ~"}) {
        leaves = leaves || literal.find(mark) != literal.npos;
      }
      if (!leaves) return unescape_breaks(literal);
    }
  }
  return {};
}

}  // namespace

struct ChatTemplate::Row {
  std::string_view name, marker;
  Write write;
  std::string (*find_default_system)(std::string_view text);
};

const ChatTemplate::Row ChatTemplate::kRows[] = {
#define LOWBIT_CHAT_TEMPLATE(name, marker, write, find_default_system) {name, marker, write, find_default_system},
#include "text/templates.inc"
#undef LOWBIT_CHAT_TEMPLATE
};

Result<ChatTemplate> ChatTemplate::from_metadata(const nlohmann::json& metadata, std::string_view source_name) {
  const Metadata reader(metadata, source_name);
  LOWBIT_ASSIGN(const auto text, reader.string(kTemplate));
  if (!text || text->empty()) {
    return errorf(
        "{}: the model has no chat template (metadata key \"{}\"), so it cannot chat; "
        "it can continue a text",
        source_name, kTemplate);
  }
  std::string known;
  for (const Row& row : kRows) {
    if (text->find(row.marker) == text->npos) {
      known.append(known.empty() ? "" : ", ").append(row.name);
      continue;
    }
    ChatTemplate out;
    out.name_ = row.name;
    out.write_ = row.write;
    out.default_system_ = row.find_default_system(*text);
    return out;
  }
  return reader.error(
      kTemplate, fmt::format("is a template of another kind than those known ({}): {}", known, quote_text(*text)));
}

std::string ChatTemplate::apply(std::span<const Message> messages, bool add_generation_prompt) const {
  if (default_system_.empty() || messages.empty() || messages[0].role == "system") {
    return write_(messages, add_generation_prompt);
  }
  std::vector<Message> with_system = {{"system", default_system_}};
  with_system.insert(with_system.end(), messages.begin(), messages.end());
  return write_(with_system, add_generation_prompt);
}

}  // namespace lowbit::text

#include "text/chat_template.h"

#include <algorithm>

#include "text/metadata.h"

namespace lowbit::text {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kTemplate = "tokenizer.chat_template";
constexpr const char* kTokens = "tokenizer.ggml.tokens";

// Variables of templates that are texts of special tokens, and the keys of their ids.
constexpr std::pair<const char*, const char*> kSpecialTokens[] = {
    {"bos_token", "tokenizer.ggml.bos_token_id"},       {"eos_token", "tokenizer.ggml.eos_token_id"},
    {"unk_token", "tokenizer.ggml.unknown_token_id"},   {"pad_token", "tokenizer.ggml.padding_token_id"},
    {"sep_token", "tokenizer.ggml.seperator_token_id"},  // spelled so in GGUF
};

Result<Json> special_tokens(const Metadata& reader) {
  LOWBIT_ASSIGN(const auto tokens, reader.strings(kTokens));
  Json out = Json::object();
  if (!tokens) return out;
  for (const auto& [variable, key] : kSpecialTokens) {
    LOWBIT_ASSIGN(const auto id, reader.token_id(key, tokens->size()));
    if (id) out[variable] = std::string((*tokens)[static_cast<size_t>(*id)]);
  }
  return out;
}

// Names and texts of a list of templates.
Result<std::vector<std::pair<std::string, std::string>>> listed(const nlohmann::json& list, const Metadata& reader) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto& item : list) {
    if (!item.is_object() || !item.value("name", nlohmann::json()).is_string() ||
        !item.value("template", nlohmann::json()).is_string()) {
      return reader.error(kTemplate, "is a list with an item that lacks a \"name\" or a \"template\" of text");
    }
    out.emplace_back(item["name"].get<std::string>(), item["template"].get<std::string>());
  }
  return out;
}

// Templates test whether a key is there: one that is null would be taken for a value.
Json without_nulls(const Json& messages) {
  Json out = Json::array();
  for (const Json& message : messages) {
    if (!message.is_object()) {
      out.push_back(message);
      continue;
    }
    Json kept = Json::object();
    for (auto it = message.begin(); it != message.end(); ++it) {
      if (!it.value().is_null()) kept[it.key()] = it.value();
    }
    out.push_back(std::move(kept));
  }
  return out;
}

std::tm local_time() {
  const std::time_t now = std::time(nullptr);
  std::tm out = {};
  localtime_r(&now, &out);
  return out;
}

}  // namespace

Json to_json(std::span<const Message> messages) {
  Json out = Json::array();
  for (const Message& message : messages) {
    Json object = {{"role", message.role}, {"content", message.content}};
    object.update(message.more);
    out.push_back(std::move(object));
  }
  return out;
}

Status ChatTemplate::add(std::string name, const std::string& text) {
  auto parsed = jinja::Template::parse(text);
  if (!parsed.ok()) return error({name, {}}, parsed.message());
  Named named{std::move(name), std::move(parsed).value()};
  templates_.insert(named.name == "default" ? templates_.begin() : templates_.end(), std::move(named));
  return {};
}

Error ChatTemplate::error(const Named& chosen, const std::string& problem) const {
  const std::string name = chosen.name == "default" ? "" : fmt::format(" {}", quote_text(chosen.name));
  return errorf("{}: chat template{}, {}", source_, name, problem);
}

Result<ChatTemplate> ChatTemplate::from_metadata(const nlohmann::json& metadata, std::string_view source_name) {
  const Metadata reader(metadata, source_name);
  ChatTemplate out;
  out.source_ = source_name;
  const auto found = metadata.is_object() ? metadata.find(kTemplate) : metadata.end();
  if (metadata.is_object() && found != metadata.end() && found->is_array()) {
    LOWBIT_ASSIGN(const auto list, listed(*found, reader));
    for (const auto& [name, text] : list) LOWBIT_TRY(out.add(name, text));
  } else {
    LOWBIT_ASSIGN(const auto text, reader.string(kTemplate));
    if (text && !text->empty()) LOWBIT_TRY(out.add("default", *text));
  }
  const std::string prefix = std::string(kTemplate) + ".";
  for (auto it = metadata.begin(); metadata.is_object() && it != metadata.end(); ++it) {
    if (!it.key().starts_with(prefix)) continue;
    LOWBIT_ASSIGN(const auto text, reader.string(it.key().c_str()));
    if (text && !text->empty()) LOWBIT_TRY(out.add(it.key().substr(prefix.size()), *text));
  }
  if (out.templates_.empty()) {
    return errorf(
        "{}: the model has no chat template (metadata key \"{}\"), so it cannot chat; "
        "it can continue a text (run without --chat), or --template-file FILE gives it a template",
        source_name, kTemplate);
  }
  LOWBIT_ASSIGN(out.tokens_, special_tokens(reader));
  return out;
}

Result<ChatTemplate> ChatTemplate::from_text(const std::string& text, std::string_view template_name,
                                             const nlohmann::json& metadata) {
  ChatTemplate out;
  out.source_ = template_name;
  LOWBIT_TRY(out.add("default", text));
  LOWBIT_ASSIGN(out.tokens_, special_tokens(Metadata(metadata, template_name)));
  return out;
}

const ChatTemplate::Named& ChatTemplate::choose(bool with_tools) const {
  const auto tool_use =
      std::find_if(templates_.begin(), templates_.end(), [](const Named& t) { return t.name == "tool_use"; });
  return with_tools && tool_use != templates_.end() ? *tool_use : templates_.front();
}

Result<std::string> ChatTemplate::apply(const Json& messages, const ChatOptions& options) const {
  const bool with_tools = options.tools.is_array() && !options.tools.empty();
  Json variables = tokens_;
  variables["messages"] = without_nulls(messages);
  variables["tools"] = with_tools ? options.tools : Json();
  variables["documents"] = nullptr;
  variables["add_generation_prompt"] = options.add_generation_prompt;
  variables.update(options.variables);
  const Named& chosen = choose(with_tools);
  auto out = chosen.body.render(variables, options.now ? *options.now : local_time());
  if (!out.ok()) return error(chosen, out.message());
  return out;
}

Result<std::string> ChatTemplate::apply(std::span<const Message> messages, bool add_generation_prompt) const {
  ChatOptions options;
  options.add_generation_prompt = add_generation_prompt;
  return apply(to_json(messages), options);
}

}  // namespace lowbit::text

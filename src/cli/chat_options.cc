#include "cli/chat_options.h"

#include <algorithm>
#include <array>

#include "base/file.h"
#include "cli/text_input.h"

namespace lowbit::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kMostDepth = 100;  // of what is given to a template
// What a template gets from elsewhere.
constexpr std::array<std::string_view, 3> kTaken = {"messages", "tools", "add_generation_prompt"};

// In the order of the text, which templates print.
Result<Json> parse_ordered(const std::string& text) {
  bool deep = false;
  const auto shallow = [&](int depth, Json::parse_event_t, Json&) {
    deep = deep || depth > kMostDepth;
    return depth <= kMostDepth;
  };
  Json value = Json::parse(text, shallow, false);
  if (value.is_discarded() && !deep) return errorf("no JSON");
  if (deep) return errorf("JSON nested more than {} deep", kMostDepth);
  return value;
}

bool is_name(const std::string& key) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  const auto inside = [&](char c) { return letter(c) || (c >= '0' && c <= '9'); };
  return !key.empty() && letter(key[0]) && std::all_of(key.begin(), key.end(), inside);
}

Setter variable(Json& variables) {
  return [&variables](const std::string& typed) -> Status {
    const size_t equals = typed.find('=');
    const std::string key = typed.substr(0, equals);
    if (equals == std::string::npos || !is_name(key)) return errorf("\"{}\": expected KEY=VALUE", typed);
    if (std::find(kTaken.begin(), kTaken.end(), key) != kTaken.end()) {
      return errorf("\"{}\" is set by the conversation itself", key);
    }
    auto value = parse_ordered(typed.substr(equals + 1));
    if (!value.ok()) {
      return errorf("\"{}\": {} behind the equals sign (true, 3, or a text as '{}=\"...\"')", typed, value.message(),
                    key);
    }
    variables[key] = std::move(*value);
    return {};
  };
}

}  // namespace

void ChatArguments::add_to(Options& options) {
  options.option("--system", "TEXT", text(system), "system message (the template's own, if it has one)");
  options.option("--template-file", "FILE", text(template_file), "a chat template in Jinja in place of the model's")
      .offer = Offer::files;
  options
      .option("--template-arg", "KEY=VALUE", variable(variables),
              "a variable of the template in JSON, as enable_thinking=false; may be repeated")
      .repeated = true;
  options
      .option("--tools", "FILE.json", text(tools_file), "functions that the model may call: an array of JSON schemas")
      .offer = Offer::files;
}

std::string ChatArguments::given() const {
  if (!system.empty()) return "--system";
  if (!template_file.empty()) return "--template-file";
  if (!variables.empty()) return "--template-arg";
  return tools_file.empty() ? "" : "--tools";
}

Result<text::ChatTemplate> ChatArguments::open_template(const io::ModelFile& model) const {
  if (template_file.empty()) return text::ChatTemplate::from_metadata(model.metadata(), model.path());
  LOWBIT_ASSIGN(const std::string written, read_input(template_file));
  return text::ChatTemplate::from_text(written, template_file, model.metadata());
}

Result<text::ChatOptions> ChatArguments::chat_options() const {
  text::ChatOptions options;
  options.add_generation_prompt = true;
  options.variables = variables;
  if (tools_file.empty()) return options;
  LOWBIT_ASSIGN(const std::string written, read_input(tools_file));
  auto tools = parse_ordered(written);
  if (!tools.ok()) return errorf("{}: {}, expected an array of tools", tools_file, tools.message());
  const bool objects = tools->is_array() &&
                       std::all_of(tools->begin(), tools->end(), [](const Json& tool) { return tool.is_object(); });
  if (!objects) {
    return errorf("{}: {}, expected an array of objects, each a tool", tools_file,
                  tools->is_array() ? "an array of something else" : tools->type_name());
  }
  options.tools = std::move(*tools);
  return options;
}

}  // namespace lowbit::cli

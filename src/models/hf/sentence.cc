#include "models/hf/sentence.h"

#include "io/checkpoint.h"
#include "io/utf8.h"
#include "models/encoder.h"

namespace lowbit::models::hf {
namespace {

using nlohmann::json;

// Ways of pooling: the key of each (versions before 5.4 write true or false), the word of "pooling_mode" (later
// versions), and GGUF's number; 0: not supported.
struct Way {
  const char* key;
  const char* word;
  int type;
};
constexpr Way kWays[] = {
    {"pooling_mode_mean_tokens", "mean", 1},
    {"pooling_mode_cls_token", "cls", 2},
    {"pooling_mode_lasttoken", "lasttoken", 3},
    {"pooling_mode_max_tokens", "max", 0},
    {"pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens", 0},
    {"pooling_mode_weightedmean_tokens", "weightedmean", 0},
};
constexpr const char* kSupported = "one of mean, cls and lasttoken";

Status add_pooling(const json& values, Conversion& conversion) {
  const HfConfig config(values, "1_Pooling/config.json");
  LOWBIT_ASSIGN(const std::string word, config.text("pooling_mode", ""));
  const Way* chosen = nullptr;
  for (const Way& way : kWays) {
    LOWBIT_ASSIGN(const bool asked, config.boolean(way.key, false));
    if (!asked && word != way.word) continue;
    if (chosen != nullptr) return config.error(way.key, "true beside another", kSupported);
    if (way.type == 0) return config.error(asked ? way.key : "pooling_mode", asked ? "true" : word, kSupported);
    chosen = &way;
  }
  if (chosen == nullptr) return config.error("pooling_mode", word.empty() ? "absent" : io::shown(word), kSupported);
  conversion.set("pooling_type", chosen->type);
  return {};
}

// The last word of a module's type: "sentence_transformers.models.Pooling" -> "Pooling".
Result<std::string> module_kind(const json& module) {
  const auto type = module.is_object() ? module.find("type") : module.end();
  if (!module.is_object() || type == module.end() || !type->is_string()) {
    return errorf("modules.json: a module has no \"type\" of text");
  }
  const std::string name = type->get<std::string>();
  return name.substr(name.rfind('.') + 1);
}

Status add_modules(const json& modules, Conversion& conversion) {
  bool normalizes = false;
  for (const json& module : modules) {
    LOWBIT_ASSIGN(const std::string kind, module_kind(module));
    if (kind != "Transformer" && kind != "Pooling" && kind != "Normalize") {
      return errorf("modules.json: a module {}, expected Transformer, Pooling and Normalize", io::shown(kind));
    }
    normalizes = normalizes || kind == "Normalize";
  }
  conversion.set(kUnitVectors, normalizes);
  return {};
}

}  // namespace

Status add_sentence_vectors(const json& documents, Conversion& conversion) {
  if (const auto found = documents.find(io::kHfPooling); found != documents.end()) {
    LOWBIT_TRY(add_pooling(*found, conversion));
  }
  if (const auto found = documents.find(io::kHfModules); found != documents.end()) {
    LOWBIT_TRY(add_modules(*found, conversion));
  }
  const auto sentence = documents.find(io::kHfSentence);
  if (sentence == documents.end()) return {};
  const HfConfig config(*sentence, "sentence_bert_config.json");
  LOWBIT_ASSIGN(const bool lower_case, config.boolean("do_lower_case", false));
  if (lower_case) conversion.set(kLowerCase, true);
  if (!config.has("max_seq_length")) return {};
  LOWBIT_ASSIGN(const int64_t tokens, config.integer("max_seq_length", 1, 1 << 24));
  conversion.set(kSentenceTokens, tokens);
  return {};
}

}  // namespace lowbit::models::hf

#include "text/hf_export.h"

#include <algorithm>
#include <limits>
#include <unordered_map>

#include "text/base64.h"
#include "text/hf_post_processor.h"
#include "text/hf_pre_tokenizer.h"
#include "text/hf_tokenizer.h"
#include "text/pre_tokenizer.h"
#include "text/spelling.h"
#include "text/tokenizer.h"

namespace lowbit::text {
namespace {

using nlohmann::json;

// "<s>" or {"content": "<s>", ...}; empty where it is absent.
Result<std::string> token_name(const JsonReader& config, std::string_view key) {
  LOWBIT_ASSIGN(const JsonReader value, config.member(key));
  if (value.is_object()) return value.string("content", "");
  return value.is_null() ? Result<std::string>(std::string()) : value.string();
}

// The text, or of a list of {name, template} the one named default.
Result<std::string> chat_template(const JsonReader& config) {
  LOWBIT_ASSIGN(const JsonReader value, config.member("chat_template"));
  if (!value.is_array()) return config.string("chat_template", "");
  LOWBIT_ASSIGN(const auto items, value.items());
  for (const JsonReader& item : items) {
    LOWBIT_ASSIGN(const std::string name, item.string("name", ""));
    if (name == "default") return item.string("template", "");
  }
  return std::string();
}

// The types of the steps of a part: a Sequence's, or its own; what null has is empty.
Result<std::vector<JsonReader>> steps(const JsonReader& part, std::string_view list) {
  if (part.is_null()) return std::vector<JsonReader>();
  LOWBIT_ASSIGN(const std::string type, part.type());
  if (type != "Sequence") return std::vector<JsonReader>{part};
  LOWBIT_ASSIGN(const JsonReader items, part.required(list));
  return items.items();
}

Result<bool> has_step(const std::vector<JsonReader>& parts, std::string_view type) {
  for (const JsonReader& part : parts) {
    LOWBIT_ASSIGN(const std::string found, part.type());
    if (found == type) return true;
  }
  return false;
}

struct Document {
  JsonReader model, normalizer, pre_tokenizer;
  Vocabulary vocabulary;
  std::vector<JsonReader> normalizers, pre_tokenizers;
};

Result<Document> read_document(const JsonReader& root) {
  LOWBIT_ASSIGN(const JsonReader model, root.required("model"));
  LOWBIT_ASSIGN(const JsonReader normalizer, root.member("normalizer"));
  LOWBIT_ASSIGN(const JsonReader pre_tokenizer, root.member("pre_tokenizer"));
  Document out{model, normalizer, pre_tokenizer, {}, {}, {}};
  LOWBIT_ASSIGN(out.vocabulary, read_hf_vocabulary(root));
  LOWBIT_ASSIGN(out.normalizers, steps(normalizer, "normalizers"));
  LOWBIT_ASSIGN(out.pre_tokenizers, steps(pre_tokenizer, "pretokenizers"));
  return out;
}

// Files have each token once and none empty.
void write_tokens(const Vocabulary& v, json& out) {
  json tokens = json::array(), types = json::array();
  for (size_t i = 0; i < v.tokens.size(); ++i) {
    tokens.push_back(v.tokens[i].empty() ? fmt::format("[unused id {}]", i) : v.tokens[i]);
    types.push_back(static_cast<int>(v.types[i]));
    if (v.types[i] == TokenType::unknown) out["tokenizer.ggml.unknown_token_id"] = i;
  }
  out["tokenizer.ggml.tokens"] = std::move(tokens);
  out["tokenizer.ggml.token_type"] = std::move(types);
}

// "left right" of a merge, which files have as one string or two.
std::string merge_text(const json& merge) {
  if (merge.is_string()) return merge.get<std::string>();
  return merge[0].get<std::string>() + " " + merge[1].get<std::string>();
}

Status byte_level(const Document& d, json& out) {
  LOWBIT_ASSIGN(const bool whole, d.model.boolean("ignore_merges", false));
  LOWBIT_ASSIGN(const bool nfc, has_step(d.normalizers, "NFC"));
  if (d.normalizers.size() > (nfc ? 1u : 0u)) return d.normalizer.error("has no name in GGUF beside byte-level BPE");
  const auto patterns = HfPreTokenizer::patterns(d.pre_tokenizer);
  const std::string_view pre = PreTokenizer::name_of(patterns, whole, nfc);
  if (patterns.empty() || pre.empty()) {
    return d.pre_tokenizer.error("cuts by patterns that have no name in GGUF (tokenizer.ggml.pre)");
  }
  LOWBIT_ASSIGN(const JsonReader merges, d.model.required("merges"));
  json written = json::array();
  for (const json& merge : merges.value()) written.push_back(merge_text(merge));
  out["tokenizer.ggml.model"] = "gpt2";
  out["tokenizer.ggml.pre"] = pre;
  out["tokenizer.ggml.merges"] = std::move(written);
  write_tokens(d.vocabulary, out);
  return {};
}

// Types of byte tokens; user-defined tokens are written with spaces.
Vocabulary sentencepiece_vocabulary(const Vocabulary& from) {
  Vocabulary out = from;
  for (size_t i = 0; i < out.tokens.size(); ++i) {
    if (out.types[i] == TokenType::normal && byte_of_token(out.tokens[i]) >= 0) out.types[i] = TokenType::byte;
    if (out.types[i] == TokenType::user_defined) out.tokens[i] = replace_all(out.tokens[i], kMetaspace, " ");
  }
  return out;
}

// Whether a text gets U+2581 in front: by the normalizer Prepend or by Metaspace.
Result<bool> prefixes(const Document& d) {
  LOWBIT_ASSIGN(const bool prepend, has_step(d.normalizers, "Prepend"));
  for (const JsonReader& step : d.pre_tokenizers) {
    LOWBIT_ASSIGN(const std::string type, step.type());
    if (type != "Metaspace") continue;
    LOWBIT_ASSIGN(const bool old, step.boolean("add_prefix_space", true));
    LOWBIT_ASSIGN(const std::string scheme, step.string("prepend_scheme", old ? "always" : "never"));
    return scheme != "never";
  }
  return prepend;
}

Status sentencepiece_bpe(const Document& d, json& out) {
  for (const JsonReader& step : d.normalizers) {
    LOWBIT_ASSIGN(const std::string type, step.type());
    if (type != "Prepend" && type != "Replace") return step.error("has no name in GGUF beside SentencePiece BPE");
  }
  LOWBIT_ASSIGN(const bool prefix, prefixes(d));
  LOWBIT_ASSIGN(const JsonReader merges, d.model.required("merges"));
  std::unordered_map<std::string, float> score_of;
  for (const json& merge : merges.value()) {
    std::string whole = merge_text(merge);
    whole.erase(whole.find(' '), 1);
    score_of.emplace(std::move(whole), -static_cast<float>(score_of.size()));
  }
  const float least = -static_cast<float>(score_of.size()) - 1;
  const Vocabulary v = sentencepiece_vocabulary(d.vocabulary);
  json scores = json::array();
  for (const std::string& token : v.tokens) {
    const auto found = score_of.find(token);
    scores.push_back(found == score_of.end() ? least : found->second);
  }
  out["tokenizer.ggml.model"] = "llama";
  out["tokenizer.ggml.pre"] = "default";
  out["tokenizer.ggml.scores"] = std::move(scores);
  out["tokenizer.ggml.add_space_prefix"] = prefix;
  write_tokens(v, out);
  return {};
}

Status unigram(const Document& d, json& out) {
  bool merges_spaces = false;
  for (const JsonReader& step : d.normalizers) {
    LOWBIT_ASSIGN(const std::string type, step.type());
    if (type == "Precompiled") {
      LOWBIT_ASSIGN(const std::string coded, step.string("precompiled_charsmap", ""));
      json bytes = json::array();
      for (const char c : decode_base64(coded).value_or("")) bytes.push_back(static_cast<uint8_t>(c));
      out["tokenizer.ggml.precompiled_charsmap"] = std::move(bytes);
    } else if (type == "Replace" || type == "Strip") {
      merges_spaces = true;  // of runs of spaces
    } else if (type != "Prepend") {
      return step.error("has no name in GGUF beside a unigram model");
    }
  }
  LOWBIT_ASSIGN(const bool prefix, prefixes(d));
  LOWBIT_ASSIGN(const JsonReader list, d.model.required("vocab"));
  const Vocabulary v = sentencepiece_vocabulary(d.vocabulary);
  json scores = json::array();
  for (size_t i = 0; i < v.tokens.size(); ++i)
    scores.push_back(i < list.value().size() ? list.value()[i][1] : json(0.0));
  out["tokenizer.ggml.model"] = "t5";
  out["tokenizer.ggml.pre"] = "default";
  out["tokenizer.ggml.scores"] = std::move(scores);
  out["tokenizer.ggml.add_space_prefix"] = prefix;
  out["tokenizer.ggml.remove_extra_whitespaces"] = merges_spaces;
  write_tokens(v, out);
  return {};
}

Status word_piece(const Document& d, json& out) {
  LOWBIT_ASSIGN(const bool bert, has_step(d.normalizers, "BertNormalizer"));
  LOWBIT_ASSIGN(const bool words, has_step(d.pre_tokenizers, "BertPreTokenizer"));
  if (!bert || !words || d.normalizers.size() != 1) {
    return d.normalizer.error("and \"pre_tokenizer\" are not BERT's, which GGUF has no name for");
  }
  LOWBIT_ASSIGN(const std::string prefix, d.model.string("continuing_subword_prefix", "##"));
  Vocabulary v = d.vocabulary;
  for (size_t i = 0; i < v.tokens.size(); ++i) {
    std::string& token = v.tokens[i];
    if (v.types[i] != TokenType::normal || (token.size() > 1 && token.front() == '[' && token.back() == ']'))
      continue;
    const bool continues = token.compare(0, prefix.size(), prefix) == 0;
    token = continues ? token.substr(prefix.size()) : std::string(kMetaspace) + token;
  }
  out["tokenizer.ggml.model"] = "bert";
  out["tokenizer.ggml.pre"] = "default";
  write_tokens(v, out);
  return {};
}

// Ids by the names that the configuration gives, and by the post-processor.
Status write_ids(const JsonReader& root, const JsonReader& config, const Vocabulary& v, json& out) {
  constexpr std::pair<const char*, const char*> kNames[] = {
      {"bos_token", "bos_token_id"},     {"eos_token", "eos_token_id"}, {"unk_token", "unknown_token_id"},
      {"pad_token", "padding_token_id"}, {"cls_token", "cls_token_id"}, {"sep_token", "seperator_token_id"},
      {"mask_token", "mask_token_id"}};
  for (const auto& [key, written] : kNames) {
    LOWBIT_ASSIGN(const std::string name, token_name(config, key));
    const auto found = name.empty() ? v.tokens.end() : std::find(v.tokens.begin(), v.tokens.end(), name);
    if (found != v.tokens.end()) out[std::string("tokenizer.ggml.") + written] = found - v.tokens.begin();
  }
  LOWBIT_ASSIGN(const JsonReader processor, root.member("post_processor"));
  LOWBIT_ASSIGN(const HfSurroundings around, read_hf_post_processor(processor, v.tokens.size()));
  LOWBIT_ASSIGN(const bool bos, config.boolean("add_bos_token", false));
  LOWBIT_ASSIGN(const bool eos, config.boolean("add_eos_token", false));
  const auto add = [&](const char* key, const char* id, const std::vector<int32_t>& ids, bool configured) {
    if (!ids.empty()) out[id] = ids.front();
    const bool adds = !ids.empty() || (processor.is_null() && configured && out.contains(id));
    out[key] = adds;
  };
  add("tokenizer.ggml.add_bos_token", "tokenizer.ggml.bos_token_id", around.before, bos);
  // What stands behind a text need not be what ends a reply: the configuration's EOS stays.
  const json ends = out.value("tokenizer.ggml.eos_token_id", json());
  add("tokenizer.ggml.add_eos_token", "tokenizer.ggml.eos_token_id", around.after, eos);
  if (!ends.is_null() && ends != out["tokenizer.ggml.eos_token_id"]) {
    out["tokenizer.ggml.eos_token_id"] = ends;
    out["tokenizer.ggml.add_eos_token"] = false;
  }
  return {};
}

struct Row {
  std::string_view type;
  Status (*write)(const Document&, json&);
};

Status bpe(const Document& d, json& out) {
  LOWBIT_ASSIGN(const bool fallback, d.model.boolean("byte_fallback", false));
  return fallback ? sentencepiece_bpe(d, out) : byte_level(d, out);
}

constexpr Row kRows[] = {{"BPE", bpe}, {"Unigram", unigram}, {"WordPiece", word_piece}};

}  // namespace

Result<json> metadata_from_hf(std::string_view tokenizer, std::string_view config, std::string_view source_name) {
  LOWBIT_ASSIGN(const json document, parse_json(tokenizer, source_name));
  LOWBIT_ASSIGN(const json configuration,
                config.empty() ? Result<json>(json::object()) : parse_json(config, "tokenizer_config.json"));
  const JsonReader root(document, source_name), settings(configuration, "tokenizer_config.json");
  LOWBIT_ASSIGN(const Vocabulary vocabulary, read_hf_vocabulary(root));
  if (vocabulary.tokens.empty()) return root.error("has no tokens, expected at least one");
  json out = json::object();
  out[kHuggingFaceJson] = std::string(tokenizer);
  LOWBIT_TRY(write_ids(root, settings, vocabulary, out));
  LOWBIT_ASSIGN(const std::string chat, chat_template(settings));
  if (!chat.empty()) out["tokenizer.chat_template"] = chat;
  return out;
}

Result<json> ggml_keys_from_hf(std::string_view tokenizer, std::string_view source_name) {
  LOWBIT_ASSIGN(const json document, parse_json(tokenizer, source_name));
  const JsonReader root(document, source_name);
  LOWBIT_ASSIGN(const Document d, read_document(root));
  LOWBIT_ASSIGN(const std::string type, d.model.string("type", "BPE"));
  json out = json::object();
  for (const Row& row : kRows) {
    if (row.type != type) continue;
    LOWBIT_TRY(row.write(d, out));
    return out;
  }
  return d.model.error("has type " + quote_text(type) + ", which GGUF has no name for");
}

}  // namespace lowbit::text

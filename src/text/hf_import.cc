#include "text/hf_import.h"

#include <algorithm>
#include <unordered_map>

#include "text/metadata.h"
#include "text/pre_tokenizer.h"
#include "text/spelling.h"
#include "text/tokenizer.h"
#include "text/utf8.h"
#include "text/vocabulary.h"

namespace lowbit::text {
namespace {

using nlohmann::json;

// tokenizers of Hugging Face hold characters, not bytes.
Status check_tokens(const Vocabulary& vocabulary, const Metadata& metadata) {
  for (const std::string& token : vocabulary.tokens) {
    for (std::string_view rest = token; !rest.empty();) {
      const Utf8Step step = utf8_step(rest);
      if (step.kind != Utf8Kind::character) {
        return metadata.error("tokenizer.ggml.tokens", "holds a token that is no UTF-8, which tokenizer.json cannot");
      }
      rest.remove_prefix(step.length);
    }
  }
  return {};
}

// Of equal tokens the first keeps its name.
json vocabulary_json(const Vocabulary& vocabulary) {
  json ids = json::object();
  for (size_t i = 0; i < vocabulary.tokens.size(); ++i) ids.emplace(vocabulary.tokens[i], i);
  return ids;
}

json added_tokens(const Vocabulary& vocabulary) {
  json list = json::array();
  for (size_t i = 0; i < vocabulary.tokens.size(); ++i) {
    const bool special = vocabulary.is_special(static_cast<int32_t>(i));
    if (!special && vocabulary.types[i] != TokenType::user_defined) continue;
    list.push_back({{"id", i},
                    {"content", vocabulary.tokens[i]},
                    {"single_word", false},
                    {"lstrip", false},
                    {"rstrip", false},
                    {"normalized", false},
                    {"special", special}});
  }
  return list;
}

Status byte_level(const Metadata& metadata, const Vocabulary& /*vocabulary*/, json& out) {
  LOWBIT_ASSIGN(const auto pre, metadata.string("tokenizer.ggml.pre"));
  LOWBIT_ASSIGN(const auto merges, metadata.strings("tokenizer.ggml.merges"));
  const std::string name = pre.value_or("default");
  const auto found = PreTokenizer::find(name);
  if (!found.ok()) return metadata.error("tokenizer.ggml.pre", found.message());
  json steps = json::array();
  for (const std::string_view pattern : PreTokenizer::patterns_of(name)) {
    steps.push_back(
        {{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}});
  }
  const json bytes = {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", false}};
  steps.push_back(bytes);
  if (found->traits().compose) out["normalizer"] = {{"type", "NFC"}};
  out["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", steps}};
  out["decoder"] = bytes;
  out["model"]["ignore_merges"] = found->traits().whole_words;
  out["model"]["merges"] = json::array();
  for (const std::string_view merge : merges.value_or(std::vector<std::string_view>())) {
    const size_t space = merge.find(' ', 1);
    if (space == merge.npos) return metadata.error("tokenizer.ggml.merges", "holds a merge without a space");
    out["model"]["merges"].push_back({merge.substr(0, space), merge.substr(space + 1)});
  }
  return {};
}

// Every pair of tokens that makes a token, the best score first; pairs of one token in the order of their ids.
json merges_of(const Vocabulary& vocabulary, const std::vector<float>& scores) {
  std::unordered_map<std::string_view, size_t> ids;
  for (size_t i = 0; i < vocabulary.tokens.size(); ++i) {
    const TokenType type = vocabulary.types[i];
    if (type == TokenType::normal || type == TokenType::unused) ids.emplace(vocabulary.tokens[i], i);
  }
  struct Merge {
    float score;
    size_t left, right;
  };
  std::vector<Merge> merges;
  for (const auto& [token, id] : ids) {
    for (size_t at = utf8_step(token).length; at < token.size(); at += utf8_step(token.substr(at)).length) {
      const auto left = ids.find(token.substr(0, at)), right = ids.find(token.substr(at));
      if (left != ids.end() && right != ids.end()) merges.push_back({scores[id], left->second, right->second});
    }
  }
  std::ranges::sort(merges, [](const Merge& a, const Merge& b) {
    if (a.score != b.score) return a.score > b.score;
    return a.left != b.left ? a.left < b.left : a.right < b.right;
  });
  json list = json::array();
  for (const Merge& merge : merges) list.push_back({vocabulary.tokens[merge.left], vocabulary.tokens[merge.right]});
  return list;
}

Status sentencepiece(const Metadata& metadata, const Vocabulary& vocabulary, json& out) {
  LOWBIT_ASSIGN(const std::vector<float> scores, metadata.scores(vocabulary.tokens.size()));
  LOWBIT_ASSIGN(const auto stated, metadata.boolean("tokenizer.ggml.add_space_prefix"));
  const bool prefix = stated.value_or(true);
  const auto replace = [](std::string_view from, std::string_view to) {
    return json{{"type", "Replace"}, {"pattern", {{"String", from}}}, {"content", to}};
  };
  json normalizers = json::array(), decoders = json::array();
  if (prefix) normalizers.push_back({{"type", "Prepend"}, {"prepend", kMetaspace}});
  normalizers.push_back(replace(" ", kMetaspace));
  decoders.push_back(replace(kMetaspace, " "));
  decoders.push_back({{"type", "ByteFallback"}});
  decoders.push_back({{"type", "Fuse"}});
  if (prefix) decoders.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  out["normalizer"] = {{"type", "Sequence"}, {"normalizers", normalizers}};
  out["decoder"] = {{"type", "Sequence"}, {"decoders", decoders}};
  out["model"]["byte_fallback"] = true;
  out["model"]["fuse_unk"] = true;
  if (vocabulary.unknown >= 0) {
    out["model"]["unk_token"] = vocabulary.tokens[static_cast<size_t>(vocabulary.unknown)];
  }
  out["model"]["merges"] = merges_of(vocabulary, scores);
  return {};
}

struct Row {
  std::string_view kind;
  Status (*write)(const Metadata&, const Vocabulary&, json&);
  TokenDefaults defaults;
};
constexpr Row kRows[] = {{"gpt2", byte_level, {}}, {"llama", sentencepiece, {1, 2, 0}}};

// What is put in front of a text and behind it.
json surroundings(const Tokenizer& tokenizer, const Vocabulary& vocabulary) {
  json single = json::array(), pair = json::array(), tokens = json::object();
  const auto add = [&](bool wanted, int32_t id) {
    if (!wanted || id < 0) return;
    const std::string& name = vocabulary.tokens[static_cast<size_t>(id)];
    single.push_back({{"SpecialToken", {{"id", name}, {"type_id", 0}}}});
    tokens[name] = {{"id", name}, {"ids", {id}}, {"tokens", {name}}};
  };
  add(tokenizer.adds_bos(), tokenizer.bos());
  single.push_back({{"Sequence", {{"id", "A"}, {"type_id", 0}}}});
  add(tokenizer.adds_eos(), tokenizer.eos());
  if (tokens.empty()) return nullptr;
  for (const char* sequence : {"A", "B"}) {
    for (json step : single) {
      if (step.contains("Sequence")) step["Sequence"]["id"] = sequence;
      step.begin().value()["type_id"] = sequence[0] - 'A';
      pair.push_back(step);
    }
  }
  return {{"type", "TemplateProcessing"}, {"single", single}, {"pair", pair}, {"special_tokens", tokens}};
}

Result<std::string> tokenizer_json(const json& values, const Metadata& metadata, const Tokenizer& tokenizer,
                                   Vocabulary& vocabulary) {
  LOWBIT_ASSIGN(const auto kind, metadata.string("tokenizer.ggml.model"));
  const Row* row = std::ranges::find(kRows, kind.value_or(""), &Row::kind);
  if (row == std::end(kRows)) {
    return metadata.error(
        "tokenizer.ggml.model",
        fmt::format("is {}, and tokenizer.json is written of gpt2 and llama", quote_text(kind.value_or("missing"))));
  }
  LOWBIT_ASSIGN(vocabulary, read_vocabulary(metadata, row->defaults));
  LOWBIT_TRY(check_tokens(vocabulary, metadata));
  json out = {{"version", "1.0"},
              {"truncation", nullptr},
              {"padding", nullptr},
              {"added_tokens", added_tokens(vocabulary)},
              {"normalizer", nullptr},
              {"pre_tokenizer", nullptr},
              {"post_processor", surroundings(tokenizer, vocabulary)},
              {"decoder", nullptr},
              {"model",
               {{"type", "BPE"},
                {"dropout", nullptr},
                {"unk_token", nullptr},
                {"fuse_unk", false},
                {"continuing_subword_prefix", nullptr},
                {"end_of_word_suffix", nullptr},
                {"byte_fallback", false},
                {"ignore_merges", false},
                {"vocab", vocabulary_json(vocabulary)}}}};
  LOWBIT_TRY(row->write(metadata, vocabulary, out));
  return out.dump(1) + "\n";
}

}  // namespace

Result<HfTokenizerFiles> hf_files_from_metadata(const json& values, std::string_view source_name) {
  const Metadata metadata(values, source_name);
  HfTokenizerFiles files;
  LOWBIT_ASSIGN(const auto kept, metadata.string(kHuggingFaceJson));
  if (!kept && !values.contains("tokenizer.ggml.tokens")) return files;
  LOWBIT_ASSIGN(const Tokenizer tokenizer, Tokenizer::from_metadata(values, source_name));
  if (kept) {
    files.tokenizer = *kept;
  } else {
    Vocabulary vocabulary;
    LOWBIT_ASSIGN(files.tokenizer, tokenizer_json(values, metadata, tokenizer, vocabulary));
  }
  files.config = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                  {"clean_up_tokenization_spaces", false},
                  {"add_bos_token", tokenizer.adds_bos()},
                  {"add_eos_token", tokenizer.adds_eos()}};
  files.generation = json::object();
  const std::pair<const char*, const char*> kNames[] = {{"bos_token", "tokenizer.ggml.bos_token_id"},
                                                        {"eos_token", "tokenizer.ggml.eos_token_id"},
                                                        {"unk_token", "tokenizer.ggml.unknown_token_id"},
                                                        {"pad_token", "tokenizer.ggml.padding_token_id"}};
  for (const auto& [name, key] : kNames) {
    LOWBIT_ASSIGN(const auto id, metadata.token_id(key, static_cast<size_t>(tokenizer.size())));
    if (!id) continue;
    files.config[name] = std::string(tokenizer.token_bytes(*id));
    if (std::string_view(name) != "unk_token") files.generation[std::string(name) + "_id"] = *id;
  }
  LOWBIT_ASSIGN(const auto chat, metadata.string("tokenizer.chat_template"));
  files.chat_template = chat.value_or("");
  return files;
}

}  // namespace lowbit::text

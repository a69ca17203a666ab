#include "io/hf_folder.h"

#include <filesystem>
#include <set>

#include "base/file.h"
#include "io/json_text.h"
#include "io/limits.h"
#include "io/utf8.h"

namespace lowbit::io {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kModel = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";
constexpr size_t kMostShards = 1 << 16;

enum class Content : uint8_t { object, list, text };

struct Document {
  const char* file;
  const char* key;
  Content content;
};
constexpr Document kDocuments[] = {
    {"config.json", kHfConfig, Content::object},
    {"generation_config.json", kHfGenerationConfig, Content::object},
    {"tokenizer.json", kHfTokenizer, Content::text},
    {"tokenizer_config.json", kHfTokenizerConfig, Content::object},
    {"special_tokens_map.json", kHfSpecialTokens, Content::object},
    {"chat_template.jinja", kHfChatTemplate, Content::text},
    {"1_Pooling/config.json", kHfPooling, Content::object},
    {"modules.json", kHfModules, Content::list},
    {"sentence_bert_config.json", kHfSentence, Content::object},
    {"quantize_config.json", kHfQuantization, Content::object},
};

std::string in_folder(const std::string& folder, std::string_view name) {
  return (fs::path(folder) / fs::path(name)).string();
}

bool is_file(const std::string& path) {
  std::error_code failed;
  return fs::is_regular_file(path, failed);
}

Result<json> read_json(const std::string& path, Content content) {
  LOWBIT_ASSIGN(const std::string text, read_text_file(path, kMaxHeaderBytes));
  if (content == Content::text) return json(text);
  auto value = parse_json(text);
  if (!value.ok()) return errorf("{}: {}", path, value.message());
  const bool list = content == Content::list;
  if (list ? value->is_array() : value->is_object()) return value;
  return errorf("{}: {}, expected {}", path, value->type_name(), list ? "an array" : "an object");
}

Result<json> read_object(const std::string& path) { return read_json(path, Content::object); }

// Adds the files to read.
Result<json> read_documents(const std::string& folder, std::vector<std::string>& read) {
  json metadata = json::object();
  for (const Document& document : kDocuments) {
    const std::string path = in_folder(folder, document.file);
    if (!is_file(path)) continue;
    LOWBIT_ASSIGN(metadata[document.key], read_json(path, document.content));
    read.push_back(path);
  }
  if (!metadata.contains(kHfConfig)) return errorf("{}: the folder has no config.json", folder);
  return metadata;
}

// A name of a file and nothing else, so that an index cannot lead out of the folder.
bool is_plain_name(const std::string& name) {
  return name.ends_with(".safetensors") && name.find('/') == name.npos && name.find('\0') == name.npos;
}

struct Index {
  std::string path;  // empty: there is none
  std::vector<std::string> files;
  std::map<std::string, size_t> file_of;
};

Result<Index> read_index(const std::string& path) {
  LOWBIT_ASSIGN(const json index, read_object(path));
  const auto map = index.find("weight_map");
  if (map == index.end() || !map->is_object() || map->empty()) {
    return errorf("{}: \"weight_map\" is missing, empty or no object", path);
  }
  if (map->size() > kMaxTensors) return errorf("{}: more than {} tensors", path, kMaxTensors);
  std::set<std::string> files;
  for (const auto& [tensor, file] : map->items()) {
    if (!file.is_string() || !is_plain_name(file.get_ref<const std::string&>())) {
      return errorf("{}: tensor {} lies in {}, expected the name of a .safetensors file in the folder", path,
                    shown(tensor), shown(file.dump(-1, ' ', false, json::error_handler_t::replace)));
    }
    files.insert(file.get<std::string>());
  }
  if (files.size() > kMostShards) return errorf("{}: {} files, at most {} are read", path, files.size(), kMostShards);
  Index result;
  result.path = path;
  result.files.assign(files.begin(), files.end());
  for (const auto& [tensor, file] : map->items()) {
    const auto at = files.find(file.get<std::string>());
    result.file_of.emplace(tensor, static_cast<size_t>(std::distance(files.begin(), at)));
  }
  return result;
}

// The only safetensors file of a folder, under whatever name.
Result<std::string> find_single(const std::string& folder) {
  std::string found;
  bool pickled = false;
  std::error_code failed;
  for (fs::directory_iterator at(folder, failed), end; !failed && at != end; at.increment(failed)) {
    const std::string name = at->path().filename().string();
    pickled = pickled || name.ends_with(".bin") || name.ends_with(".pt") || name.ends_with(".pth");
    if (!name.ends_with(".safetensors")) continue;
    if (!found.empty()) {
      return errorf("{}: several .safetensors files, but no {} and no {} that says which", folder, kModel, kIndex);
    }
    found = name;
  }
  if (!found.empty()) return found;
  return errorf("{}: the folder has no {} and no {}{}", folder, kModel, kIndex,
                pickled ? "; its weights are pickled by PyTorch, which is not read" : "");
}

Result<Index> find_weights(const std::string& folder) {
  Index index;
  if (is_file(in_folder(folder, kModel))) {
    index.files.push_back(kModel);
  } else if (is_file(in_folder(folder, kIndex))) {
    LOWBIT_ASSIGN(index, read_index(in_folder(folder, kIndex)));
  } else {
    LOWBIT_ASSIGN(std::string name, find_single(folder));
    index.files.push_back(std::move(name));
  }
  return index;
}

}  // namespace

bool has_hf_config(const std::string& path) {
  return is_file(in_folder(fs::path(path).parent_path().string(), "config.json"));
}

Result<std::vector<std::string>> hf_weight_files(const std::string& folder) {
  LOWBIT_ASSIGN(const Index index, find_weights(folder));
  return index.files;
}

Result<std::shared_ptr<const Checkpoint>> open_hf_folder(const std::string& folder) {
  std::vector<std::string> read;
  LOWBIT_ASSIGN(json metadata, read_documents(folder, read));
  LOWBIT_ASSIGN(const Index index, find_weights(folder));
  if (!index.path.empty()) read.push_back(index.path);
  std::vector<Source> shards;
  for (const std::string& file : index.files) {
    LOWBIT_ASSIGN(Source source, Source::map(in_folder(folder, file)));
    shards.push_back(std::move(source));
  }
  return Checkpoint::open(folder, std::move(shards), index.file_of, std::move(metadata), std::move(read));
}

Result<std::shared_ptr<const Checkpoint>> open_hf_file(Source source) {
  std::vector<std::string> read;
  LOWBIT_ASSIGN(json metadata, read_documents(fs::path(source.path()).parent_path().string(), read));
  std::string path = source.path();
  std::vector<Source> shards;
  shards.push_back(std::move(source));
  return Checkpoint::open(std::move(path), std::move(shards), {}, std::move(metadata), std::move(read));
}

}  // namespace lowbit::io

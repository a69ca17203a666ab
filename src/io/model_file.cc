#include "io/model_file.h"

#include <algorithm>
#include <filesystem>

#include "io/gguf.h"
#include "io/gguf_split.h"
#include "io/hf_folder.h"
#include "io/safetensors.h"
#include "io/safetensors_header.h"
#include "io/source.h"
#include "io/utf8.h"

namespace lowbit::io {
namespace {

Result<std::shared_ptr<const ModelFile>> open_source(Source source) {
  if (is_gguf(source.bytes())) return open_gguf(std::move(source));
  if (is_safetensors(source.bytes())) return open_safetensors(std::move(source));
  const auto start = source.bytes().first(std::min<size_t>(source.bytes().size(), 8));
  return errorf("{}: neither GGUF nor safetensors: a file of {} bytes that begins with {}", source.path(),
                source.bytes().size(), shown({reinterpret_cast<const char*>(start.data()), start.size()}));
}

}  // namespace

const nlohmann::json& ModelFile::plan() const {
  static const nlohmann::json kNone;
  return kNone;
}

const MetadataTypes& ModelFile::metadata_types() const {
  static const MetadataTypes kNone;
  return kNone;
}

int64_t ModelFile::find(std::string_view name) const {
  std::call_once(indexed_, [this] {
    const auto all = tensors();
    index_.reserve(all.size());
    for (size_t i = 0; i < all.size(); ++i) index_.emplace(all[i].name, static_cast<int64_t>(i));
  });
  const auto found = index_.find(name);
  return found == index_.end() ? -1 : found->second;
}

Result<std::shared_ptr<const ModelFile>> open_model(const std::string& path) {
  std::error_code failed;
  if (std::filesystem::is_directory(path, failed)) {
    LOWBIT_ASSIGN(std::shared_ptr<const ModelFile> file, open_hf_folder(path));
    return file;
  }
  LOWBIT_ASSIGN(Source source, Source::map(path));
  if (is_safetensors(source.bytes()) && has_hf_config(path)) {
    LOWBIT_ASSIGN(const SafetensorsHeader header, read_safetensors_header(source));
    if (!header.metadata.contains(std::string(kVersionKey))) {
      LOWBIT_ASSIGN(std::shared_ptr<const ModelFile> file, open_hf_file(std::move(source)));
      return file;
    }
  }
  LOWBIT_ASSIGN(auto file, open_source(std::move(source)));
  return join_split(std::move(file));
}

Result<std::shared_ptr<const ModelFile>> open_model(std::string name, std::span<const std::byte> bytes) {
  return open_source(Source::memory(std::move(name), bytes));
}

}  // namespace lowbit::io

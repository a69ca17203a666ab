#include "io/checkpoint_writer.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <numeric>
#include <set>

#include "io/json_text.h"
#include "io/limits.h"
#include "io/safetensors_header.h"
#include "io/utf8.h"

namespace lowbit::io {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kIndexName = "model.safetensors.index.json";
constexpr uint64_t kHeaderAlignment = 8;
constexpr const char* kMade = "folder";  // in the scratch folder

Result<uint64_t> bytes_of(const CheckpointTensor& tensor) {
  uint64_t bytes = safetensors_dtype_bytes(tensor.dtype);
  if (bytes == 0) return errorf("tensor {} has the unknown dtype {}", shown(tensor.name), shown(tensor.dtype));
  for (const uint64_t n : tensor.shape) {
    if (n == 0 || n > kMaxElements || bytes > 8 * kMaxElements / n) {
      return errorf("tensor {} is too large or empty", shown(tensor.name));
    }
    bytes *= n;
  }
  return bytes;
}

Result<uint64_t> file_size(const std::string& path) {
  std::error_code failed;
  const uint64_t bytes = fs::file_size(path, failed);
  if (failed) return errorf("{}: {}", path, failed.message());
  return bytes;
}

std::string shard_name(size_t index, size_t count) {
  return count == 1 ? "model.safetensors" : fmt::format("model-{:05}-of-{:05}.safetensors", index + 1, count);
}

std::string without_slash(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

// The names that a record has of the files of its folder.
Result<std::set<std::string>> recorded_files(const std::string& folder) {
  const std::string path = folder + "/" + kFolderRecord;
  LOWBIT_ASSIGN(const std::string text, read_text_file(path, kMaxHeaderBytes));
  LOWBIT_ASSIGN(const json record, parse_json(text));
  std::set<std::string> names{kFolderRecord};
  const auto files = record.is_object() ? record.find("files") : record.end();
  if (!record.is_object() || files == record.end() || !files->is_array()) return errorf("{}: no list of files", path);
  for (const json& name : *files) {
    if (name.is_string()) names.insert(name.get<std::string>());
  }
  return names;
}

// Puts a folder under its name; what stood there is where the new one was. False where something stands there that
// the system cannot swap.
bool put(const std::string& made, const std::string& path) {
  if (::rename(made.c_str(), path.c_str()) == 0) return true;  // nothing there, or an empty folder
  return ::renameat2(AT_FDCWD, made.c_str(), AT_FDCWD, path.c_str(), RENAME_EXCHANGE) == 0;
}

}  // namespace

Status CheckpointLayout::divide(uint64_t shard_bytes) {
  std::vector<std::vector<size_t>> members(1);
  uint64_t sum = 0;
  for (size_t i = 0; i < tensors_.size(); ++i) {
    LOWBIT_ASSIGN(const uint64_t bytes, bytes_of(tensors_[i]));
    if (!members.back().empty() && sum + bytes > shard_bytes) {
      members.emplace_back();
      sum = 0;
    }
    sum += bytes;
    members.back().push_back(i);
    places_[i].bytes = bytes;
  }
  shards_.resize(members.size());
  for (size_t s = 0; s < members.size(); ++s) {
    shards_[s].name = shard_name(s, members.size());
    LOWBIT_TRY(place(s, members[s]));
  }
  return {};
}

Status CheckpointLayout::place(size_t shard, std::span<const size_t> members) {
  std::vector<size_t> order(members.begin(), members.end());
  std::ranges::stable_sort(order, [&](size_t a, size_t b) {
    return safetensors_dtype_bytes(tensors_[a].dtype) > safetensors_dtype_bytes(tensors_[b].dtype);
  });
  json header = {{"__metadata__", {{"format", "pt"}}}};
  uint64_t offset = 0;
  for (const size_t i : order) {
    places_[i].shard = shard;
    places_[i].offset = offset;
    header[tensors_[i].name] = {{"dtype", tensors_[i].dtype},
                                {"shape", tensors_[i].shape},
                                {"data_offsets", {offset, offset + places_[i].bytes}}};
    offset += places_[i].bytes;
  }
  std::string text = header.dump();
  text.append((kHeaderAlignment - text.size() % kHeaderAlignment) % kHeaderAlignment, ' ');
  const uint64_t length = text.size();
  Shard& to = shards_[shard];
  to.header.assign(reinterpret_cast<const char*>(&length), sizeof length);
  to.header += text;
  for (const size_t i : order) places_[i].offset += to.header.size();
  to.bytes = to.header.size() + offset;
  return {};
}

Status CheckpointLayout::add_record(const json& plan) {
  std::vector<std::string> names;
  for (const Shard& shard : shards_) names.push_back(shard.name);
  for (const FolderFile& file : files_) names.push_back(file.name);
  std::ranges::sort(names);
  files_.push_back({kFolderRecord, json({{"files", names}, {"plan", plan}}).dump(1) + "\n", ""});
  return {};
}

Result<CheckpointLayout> CheckpointLayout::make(std::vector<CheckpointTensor> tensors, std::vector<FolderFile> files,
                                                const json& plan, uint64_t shard_bytes) {
  CheckpointLayout layout;
  layout.tensors_ = std::move(tensors);
  layout.files_ = std::move(files);
  layout.places_.resize(layout.tensors_.size());
  for (size_t i = 0; i < layout.tensors_.size(); ++i) {
    const std::string& name = layout.tensors_[i].name;
    if (!is_utf8(name)) return errorf("the tensor name {} is no UTF-8", shown(name));
    if (!layout.index_.emplace(name, i).second) return errorf("two tensors have the name {}", shown(name));
  }
  LOWBIT_TRY(layout.divide(shard_bytes));
  if (layout.shards_.size() > 1) {
    json map = json::object();
    uint64_t sum = 0;
    for (size_t i = 0; i < layout.tensors_.size(); ++i) {
      map[layout.tensors_[i].name] = layout.shards_[layout.places_[i].shard].name;
      sum += layout.places_[i].bytes;
    }
    const json index = {{"metadata", {{"total_size", sum}}}, {"weight_map", map}};
    layout.files_.push_back({kIndexName, index.dump(2) + "\n", ""});
  }
  LOWBIT_TRY(layout.add_record(plan));
  for (const Shard& shard : layout.shards_) layout.folder_bytes_ += shard.bytes;
  for (const FolderFile& file : layout.files_) {
    if (file.copy_of.empty()) {
      layout.folder_bytes_ += file.text.size();
    } else {
      LOWBIT_ASSIGN(const uint64_t bytes, file_size(file.copy_of));
      layout.folder_bytes_ += bytes;
    }
  }
  return layout;
}

int64_t CheckpointLayout::find(std::string_view name) const {
  const auto found = index_.find(std::string(name));
  return found == index_.end() ? -1 : static_cast<int64_t>(found->second);
}

Status check_replaceable(const std::string& folder) {
  std::error_code failed;
  const fs::file_status status = fs::status(folder, failed);
  if (!fs::exists(status)) return {};
  if (!fs::is_directory(status)) return errorf("{}: is a file, expected a folder to make", folder);
  std::vector<std::string> found;
  for (fs::recursive_directory_iterator at(folder, failed), end; !failed && at != end; at.increment(failed)) {
    std::error_code ignored;
    if (!at->is_directory(ignored) || at->is_symlink(ignored)) {
      found.push_back(at->path().lexically_relative(folder).generic_string());
    }
  }
  if (failed) return errorf("{}: {}", folder, failed.message());
  if (found.empty()) return fs::is_empty(folder, failed) ? Status() : errorf("{}: holds other folders", folder);
  const auto names = recorded_files(folder);
  if (!names.ok()) {
    return errorf("{}: the folder holds files that lowbit did not write ({}); it is not replaced", folder, found[0]);
  }
  for (const std::string& name : found) {
    if (names->contains(name)) continue;
    return errorf("{}: the folder holds {}, which lowbit did not write; it is not replaced", folder, shown(name));
  }
  return {};
}

Result<CheckpointWriter> CheckpointWriter::create(const std::string& path, CheckpointLayout layout) {
  const std::string target = without_slash(path);
  LOWBIT_TRY(check_replaceable(target));
  const fs::path name(target);
  const std::string parent = name.has_parent_path() ? name.parent_path().string() : ".";
  LOWBIT_ASSIGN(ScratchFolder scratch, ScratchFolder::make(parent, name.filename().string() + ".tmp"));
  CheckpointWriter writer(target, std::move(layout), std::move(scratch));
  std::error_code failed;
  fs::create_directory(writer.scratch_.path() + "/" + kMade, failed);
  if (failed) return errorf("{}: cannot be written: {}", path, failed.message());
  for (const CheckpointLayout::Shard& shard : writer.layout_.shards_) {
    LOWBIT_ASSIGN(FileWriter file, FileWriter::create(writer.inside(shard.name)));
    LOWBIT_TRY(file.write(shard.header));
    writer.shards_.emplace_back(std::move(file));
  }
  writer.written_.resize(writer.layout_.tensors_.size());
  return writer;
}

std::string CheckpointWriter::inside(const std::string& name) const {
  return fmt::format("{}/{}/{}", scratch_.path(), kMade, name);
}

Status CheckpointWriter::write(size_t tensor, uint64_t at, std::span<const std::byte> bytes) {
  const CheckpointLayout::Place& place = layout_.places_.at(tensor);
  LOWBIT_CHECK(at <= place.bytes && bytes.size() <= place.bytes - at);
  FileWriter& file = *shards_[place.shard];
  LOWBIT_TRY(file.seek(place.offset + at));
  LOWBIT_TRY(file.write(bytes));
  written_[tensor] += bytes.size();
  return {};
}

Status CheckpointWriter::commit() {
  for (size_t i = 0; i < written_.size(); ++i) {
    if (written_[i] == layout_.places_[i].bytes) continue;
    return errorf("{}: {} of {} bytes of tensor {} were written", path_, written_[i], layout_.places_[i].bytes,
                  shown(layout_.tensors_[i].name));
  }
  for (std::optional<FileWriter>& shard : shards_) LOWBIT_TRY(shard->commit());
  for (const FolderFile& file : layout_.files_) {
    const std::string to = inside(file.name);
    std::error_code failed;
    fs::create_directories(fs::path(to).parent_path(), failed);
    if (failed) return errorf("{}: cannot be written: {}", to, failed.message());
    if (file.copy_of.empty()) {
      LOWBIT_TRY(write_text_file(to, file.text));
      continue;
    }
    fs::copy_file(file.copy_of, to, failed);
    if (failed) return errorf("{}: cannot be copied to {}: {}", file.copy_of, path_, failed.message());
  }
  LOWBIT_TRY(check_replaceable(path_));
  if (!put(scratch_.path() + "/" + kMade, path_)) {
    return errorf("{}: cannot be put under its name: {}", path_, std::strerror(errno));
  }
  return {};
}

}  // namespace lowbit::io

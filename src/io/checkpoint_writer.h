// Writing a model as the Hugging Face hub keeps it: shards of safetensors with an index, and the files beside them.
// It knows no architecture.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "io/scratch_folder.h"

namespace lowbit::io {

// Bytes of tensor data in one file, as the hub advises. A tensor is never divided.
constexpr uint64_t kShardBytes = 5'000'000'000;

// The list of a folder's files, by which lowbit knows a folder of its own; "plan" is what made it.
constexpr const char* kFolderRecord = "lowbit.json";

struct CheckpointTensor {
  std::string name;
  std::string dtype;  // of safetensors
  std::vector<uint64_t> shape;
};

// A file beside the tensors: a text, or the copy of another file.
struct FolderFile {
  std::string name;  // may lie in a folder of its own ("1_Pooling/config.json")
  std::string text;
  std::string copy_of;  // not empty: the path; text is empty
};

// Which bytes of which file a folder will have. Within a shard tensors of wide elements come first, so that each is
// aligned without a gap, which safetensors does not allow.
class CheckpointLayout {
 public:
  // An error where a name occurs twice, a dtype is unknown or sizes overflow.
  static Result<CheckpointLayout> make(std::vector<CheckpointTensor> tensors, std::vector<FolderFile> files,
                                       const nlohmann::json& plan, uint64_t shard_bytes = kShardBytes);

  uint64_t folder_bytes() const { return folder_bytes_; }
  uint64_t tensor_bytes(size_t index) const { return places_[index].bytes; }
  // -1 where there is none.
  int64_t find(std::string_view name) const;

 private:
  friend class CheckpointWriter;
  struct Place {
    size_t shard = 0;
    uint64_t offset = 0;  // in the file
    uint64_t bytes = 0;
  };
  struct Shard {
    std::string name, header;
    uint64_t bytes = 0;  // of the file
  };
  std::vector<CheckpointTensor> tensors_;
  std::vector<Place> places_;
  std::vector<Shard> shards_;
  std::vector<FolderFile> files_;  // the index of shards and the record included
  std::unordered_map<std::string, size_t> index_;
  uint64_t folder_bytes_ = 0;

  Status divide(uint64_t shard_bytes);
  Status place(size_t shard, std::span<const size_t> members);
  Status add_record(const nlohmann::json& plan);
};

// Whether a folder may be replaced: there is none, it is empty, or its record names every file in it. Else an error.
Status check_replaceable(const std::string& folder);

// The folder appears under its name, whole, with commit(); what was made before is removed by the destructor.
class CheckpointWriter {
 public:
  // path: with or without a slash at the end; the folder that it lies in must exist.
  static Result<CheckpointWriter> create(const std::string& path, CheckpointLayout layout);

  // Bytes [at, at + bytes.size()) of a tensor, in any order, each once.
  Status write(size_t tensor, uint64_t at, std::span<const std::byte> bytes);
  // An error where bytes are missing.
  Status commit();
  const CheckpointLayout& layout() const { return layout_; }

 private:
  CheckpointWriter(std::string path, CheckpointLayout layout, ScratchFolder scratch)
      : path_(std::move(path)), layout_(std::move(layout)), scratch_(std::move(scratch)) {}
  std::string inside(const std::string& name) const;

  std::string path_;
  CheckpointLayout layout_;
  ScratchFolder scratch_;
  std::vector<std::optional<FileWriter>> shards_;
  std::vector<uint64_t> written_;  // bytes of each tensor
};

}  // namespace lowbit::io

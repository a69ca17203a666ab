// Writing a model file of any kind. The list of kinds stands in models/written_kinds.h: some need an architecture.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "io/native_layout.h"

namespace lowbit::io {

// What a kind takes from the source beside its metadata, made once by WrittenKind::prepare.
class SourceFacts {
 public:
  virtual ~SourceFacts() = default;
};

// What a file will hold, before its data exist.
struct FileContent {
  const nlohmann::json& metadata;  // an object with the keys of ModelFile::metadata()
  const MetadataTypes& types;      // of the source's metadata, where it has them
  const nlohmann::json& plan;      // any JSON, null for none
  std::span<const StoredTensor> tensors;
  const SourceFacts* facts = nullptr;  // of kinds that prepare
};

// Tensors are written in the order in which they were announced; the file appears under its name with commit().
class ModelWriter {
 public:
  virtual ~ModelWriter() = default;
  // The next tensor; an error where it is not the one announced.
  virtual Status write(std::string_view name, const tensor::Weight& weight) = 0;
  // An error where tensors are missing.
  virtual Status commit() = 0;
  virtual uint64_t file_bytes() const = 0;
};

struct WrittenKind {
  std::string_view ending;  // of the name; "/" for a folder
  std::string_view name;    // for people
  bool divides = false;     // whether the rows of a tensor can have several formats and an order of their own
  // To the byte, as the writer makes it; of a folder all its files.
  Result<uint64_t> (*file_bytes)(const FileContent& content) = nullptr;
  Result<uint64_t> (*tensor_bytes)(const StoredTensor& tensor) = nullptr;
  // What a tensor of this name and shape is stored in where `format` is wanted: mostly `format` itself. An error
  // where the file has nothing for it names the nearest that it has.
  Result<formats::Format> (*holds)(const formats::Format& format, std::string_view tensor,
                                   std::span<const int64_t> shape) = nullptr;
  Result<std::unique_ptr<ModelWriter>> (*create)(const std::string& path, const FileContent& content) = nullptr;
  // Null: nothing is needed.
  Result<std::shared_ptr<const SourceFacts>> (*prepare)(std::shared_ptr<const ModelFile> source) = nullptr;
  // Whether one format for all, or a budget, is about this matrix; null: about every matrix. The others change only
  // where they are asked for by name, or where the file cannot hold what they are in: then they become `instead`.
  bool (*is_free)(std::string_view tensor) = nullptr;
  std::string_view instead = {};
  // Tensors with the same key, not empty, must have one format; null: there are none.
  std::string (*tied)(std::string_view tensor) = nullptr;
  // An error where path cannot become the output, looked at before any work; null: a file like any other.
  Status (*check_path)(const std::string& path) = nullptr;
  // What the programs that read the file make of these tensors otherwise than was meant: a sentence, empty where
  // there is nothing to say. Null: nothing ever.
  std::string (*warning)(std::span<const StoredTensor> tensors, const SourceFacts* facts) = nullptr;
};

const WrittenKind& native_kind();
const WrittenKind& gguf_kind();

}  // namespace lowbit::io

// Writing a model file of any kind: a row of the list for each.
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

// What a file will hold, before its data exist.
struct FileContent {
  const nlohmann::json& metadata;  // an object with the keys of ModelFile::metadata()
  const MetadataTypes& types;      // of the source's metadata, where it has them
  const nlohmann::json& plan;      // any JSON, null for none
  std::span<const StoredTensor> tensors;
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
  std::string_view ending;
  bool divides = false;  // whether the rows of a tensor can have several formats and an order of their own
  // To the byte, as the writer makes it.
  Result<uint64_t> (*file_bytes)(const FileContent& content) = nullptr;
  Result<uint64_t> (*tensor_bytes)(const StoredTensor& tensor) = nullptr;
  // What a tensor of this shape is stored in where `format` is wanted: mostly `format` itself. An error where the
  // file has nothing for it names the nearest that it has.
  Result<formats::Format> (*holds)(const formats::Format& format, std::span<const int64_t> shape) = nullptr;
  Result<std::unique_ptr<ModelWriter>> (*create)(const std::string& path, const FileContent& content) = nullptr;
};

std::span<const WrittenKind> written_kinds();
const WrittenKind& native_kind();
// By the ending of the name; null where there is no such kind.
const WrittenKind* written_kind(std::string_view path);

}  // namespace lowbit::io

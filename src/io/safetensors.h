// lowbit's own model files: safetensors that hold a whole model, run by memory map as stored. The layout is described
// in README.md.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "io/model_file.h"
#include "io/native_layout.h"
#include "io/source.h"

namespace lowbit::io {

// Opens a file that lowbit wrote. Tensors are in the order in which they were written; load() is a view of the map
// but for plain vectors. A safetensors file of others is an error that says what it holds.
Result<std::shared_ptr<const ModelFile>> open_safetensors(Source source);

// The size of the file that SafetensorsWriter makes, to the byte.
Result<uint64_t> native_file_bytes(const nlohmann::json& metadata, const nlohmann::json& plan,
                                   std::span<const StoredTensor> tensors);

// Writes a model tensor by tensor: all are announced with their shapes and formats, and their data come later in the
// same order. The file appears under its name with commit(). The same content gives the same bytes.
class SafetensorsWriter {
 public:
  // metadata: an object with the keys of ModelFile::metadata(). plan: any JSON, null for none.
  static Result<SafetensorsWriter> create(const std::string& path, const nlohmann::json& metadata,
                                          const nlohmann::json& plan, std::vector<StoredTensor> tensors);

  // The next tensor; an error where it is not the one announced.
  Status write(std::string_view name, const tensor::Weight& weight);
  // An error where tensors are missing.
  Status commit();

  uint64_t header_bytes() const { return header_bytes_; }  // the length field included
  uint64_t file_bytes() const { return file_bytes_; }

 private:
  explicit SafetensorsWriter(FileWriter writer) : writer_(std::move(writer)) {}

  std::string path_;
  FileWriter writer_;
  std::vector<StoredTensor> tensors_;
  size_t next_ = 0;
  uint64_t header_bytes_ = 0, file_bytes_ = 0;
};

}  // namespace lowbit::io

// A model file of any kind as tensors and metadata. It knows no architecture.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "formats/format.h"
#include "tensor/weight.h"

namespace lowbit::io {

struct TensorInfo {
  std::string name;
  std::vector<int64_t> shape;  // slowest dimension first (a GGUF's dimensions reversed): [rows, cols] or [n]
  struct Part {
    formats::Format format;
    int64_t rows = 0;
  };
  std::vector<Part> parts;  // one, unless the rows are divided (see tensor/weight.h)
  uint64_t bytes = 0;       // stored bytes of codes, scales, padding and row order
  std::string stored = {};  // the file's own name of its type where load() gives decoded values; else empty

  int64_t parameters() const {
    int64_t n = 1;
    for (int64_t d : shape) n *= d;
    return n;
  }
};

// The kinds of number that a GGUF has and JSON does not tell apart: GGUF's value type of a key, or of the elements of
// a list.
using MetadataTypes = std::map<std::string, uint32_t, std::less<>>;

// Metadata is one JSON object with GGUF's key names whatever the file's kind ("general.architecture",
// "llama.block_count", "tokenizer.ggml.tokens", ...); integers, floats, booleans, strings and arrays as JSON values.
// Strings hold the bytes of the file, which need not be UTF-8 (tokens often are not): dump them for people with
// nlohmann::json::error_handler_t::replace. A float that JSON cannot hold is "NaN", "Infinity" or "-Infinity".
class ModelFile {
 public:
  virtual ~ModelFile() = default;
  virtual const std::string& path() const = 0;
  virtual uint64_t file_bytes() const = 0;
  // The paths of all files that it was read from, weights and what stands beside them, always in the same order.
  virtual std::vector<std::string> files() const { return {path()}; }
  virtual std::string_view kind() const = 0;  // "gguf v3", "safetensors"
  virtual const nlohmann::json& metadata() const = 0;
  // Of the metadata, where the file has them.
  virtual const MetadataTypes& metadata_types() const;
  // The plan that made the file, as its writer gave it; null where the file records none.
  virtual const nlohmann::json& plan() const;
  virtual std::span<const TensorInfo> tensors() const = 0;
  // The tensor in lowbit's layout: a view of the map where it is stored so, else repacked code for code.
  virtual Result<tensor::Weight> load(size_t index) const = 0;
  // Lets the system drop the pages of a tensor that has been repacked.
  virtual void release(size_t index) const {}

  // Index of a tensor by name (the first of equal ones), or -1. Any thread may ask.
  int64_t find(std::string_view name) const;

 private:
  mutable std::once_flag indexed_;
  mutable std::unordered_map<std::string_view, int64_t> index_;
};

// Opens by content, not by ending: GGUF, lowbit's safetensors, or a checkpoint of Hugging Face (its folder, or a
// safetensors file with a config.json beside it), which comes with the names and metadata of its own (checkpoint.h);
// models::open_file gives it those of GGUF. The error names the file, offset, found, expected.
Result<std::shared_ptr<const ModelFile>> open_model(const std::string& path);
// The same from memory (copied); name stands in messages.
Result<std::shared_ptr<const ModelFile>> open_model(std::string name, std::span<const std::byte> bytes);

}  // namespace lowbit::io

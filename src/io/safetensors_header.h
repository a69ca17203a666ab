// The header of a safetensors file: which tensors lie where, and the text metadata. Knows nothing of lowbit's use of
// it.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "io/source.h"

namespace lowbit::io {

struct SafetensorsEntry {
  std::string name;
  std::string dtype;            // "F32", "BF16", "U8", ...
  std::vector<uint64_t> shape;  // slowest dimension first
  uint64_t begin = 0, end = 0;  // bytes in the data, which begin at data_offset
};

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;            // by place
  std::unordered_map<std::string, size_t> by_name;  // index in entries
  std::map<std::string, std::string> metadata;      // of __metadata__
  uint64_t data_offset = 0;
};

// True where the bytes begin as a safetensors file does: the length of the header, then '{'.
bool is_safetensors(std::span<const std::byte> bytes);

// Reads the header and checks it: known dtypes, sizes that agree with shapes, every byte of the data in one tensor.
Result<SafetensorsHeader> read_safetensors_header(const Source& source);

// Bytes of an element, 0 where the dtype is unknown.
uint64_t safetensors_dtype_bytes(std::string_view dtype);

}  // namespace lowbit::io

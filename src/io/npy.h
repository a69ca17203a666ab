// NumPy's .npy files: one array of float32, uint8 or uint16, little-endian, in C order.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"

namespace lowbit::io {

struct NpyArray {
  std::vector<int64_t> shape;  // slowest dimension first; empty for a single value
  std::variant<std::vector<float>, std::vector<uint8_t>, std::vector<uint16_t>> values;
};

// Reads versions 1 to 3 of the format. An error names the file, what was found and what was expected.
Result<NpyArray> read_npy(const std::string& path);
// The same from memory; name stands in messages.
Result<NpyArray> parse_npy(const std::string& name, std::span<const std::byte> bytes);

// Writes version 1; the data begin at a multiple of 64 bytes. The sizes agree.
Status write_npy(const std::string& path, const NpyArray& array);

}  // namespace lowbit::io

// The tensor types of GGUF, and how their blocks become codes in lowbit's layout and back.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "formats/format.h"
#include "tensor/packed.h"

namespace lowbit::io {

struct GgmlType {
  uint32_t id = 0;
  std::string_view name;
  uint64_t block_elements = 1;  // along the row
  uint64_t block_bytes = 0;
  std::string_view format;  // as a string of the format language
  // Rows of `cols` elements, one after another in `data`, code for code into lowbit's layout. The sizes agree.
  Result<tensor::PackedMatrix> (*repack)(const formats::Format& format, int64_t rows, int64_t cols,
                                         std::span<const std::byte> data) = nullptr;
  // The inverse for rows [begin, end), begin a multiple of 16: `out` becomes their blocks. Null where the type is
  // only read.
  void (*blocks)(const tensor::PackedMatrix& from, int64_t begin, int64_t end, std::vector<std::byte>& out) = nullptr;
  uint32_t file_type = 0;  // general.file_type of a file that is mostly of this type
  bool decoded = false;    // repack gives values: f32 has more bits than the file stores
};

// The types that are read: rows of ggml_types.inc.
std::span<const GgmlType> ggml_types();

// Null where the type is not read.
const GgmlType* find_ggml_type(uint32_t id);

// The type that holds exactly this format; null where GGUF has none that is written.
const GgmlType* find_ggml_type(const formats::Format& format);

// What is written instead of a format where a row is no multiple of its block.
std::string_view ggml_format_instead(std::string_view format);

// The published name of a type, read or not; empty where the id is unknown.
std::string_view ggml_type_name(uint32_t id);

}  // namespace lowbit::io

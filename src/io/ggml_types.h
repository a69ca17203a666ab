// The tensor types of GGUF that are read, and how their blocks become codes in lowbit's layout.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

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
};

// The types that are read: rows of ggml_types.inc.
std::span<const GgmlType> ggml_types();

// Null where the type is not read.
const GgmlType* find_ggml_type(uint32_t id);

// The published name of a type, read or not; empty where the id is unknown.
std::string_view ggml_type_name(uint32_t id);

}  // namespace lowbit::io

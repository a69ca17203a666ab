// Metadata values of GGUF as JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

#include "base/result.h"
#include "io/byte_reader.h"

namespace lowbit::io {

// Reads one key and its value (type id, then the value) and adds it to `metadata`. `values` counts all values read so
// far and is bounded (limits.h). An error names the key and the offset.
Status read_metadata_entry(ByteReader& reader, nlohmann::json& metadata, uint64_t& values);

}  // namespace lowbit::io

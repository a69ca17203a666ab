// Metadata values of GGUF as JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/result.h"
#include "io/byte_reader.h"
#include "io/model_file.h"

namespace lowbit::io {

// Reads one key and its value (type id, then the value) and adds it to `metadata`, the type to `types`. `values`
// counts all values read so far and is bounded (limits.h). An error names the key and the offset.
Status read_metadata_entry(ByteReader& reader, nlohmann::json& metadata, MetadataTypes& types, uint64_t& values);

// The inverse. type: GGUF's value type of the value, or of the elements of a list; null where it is to be chosen from
// the value. An error where the value does not fit.
Status append_metadata_entry(std::string_view key, const nlohmann::json& value, const uint32_t* type,
                             std::string& out);

}  // namespace lowbit::io

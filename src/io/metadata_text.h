// A model's metadata as one compact JSON text and back. Long arrays are packed, without loss; the forms are described
// in README.md.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/result.h"

namespace lowbit::io {

// The text of a metadata object. The same object gives the same text.
std::string metadata_text(const nlohmann::json& metadata);

// The inverse; an error is a sentence without a file name.
Result<nlohmann::json> parse_metadata_text(std::string_view text);

}  // namespace lowbit::io

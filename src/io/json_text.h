// JSON values to text and back without loss of bytes, and with bounds on what a text may ask for.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/result.h"

namespace lowbit::io {

// Appends `value` as compact JSON, object keys in order of their bytes: the same value gives the same text. Strings
// and keys that are not UTF-8 are written by escape_bytes (utf8.h); floats must be finite.
void append_json(const nlohmann::json& value, std::string& out);

// Appends a string of valid UTF-8 as a JSON string.
void append_json_string(std::string_view text, std::string& out);

// An error (a sentence without a file name) where a text is nested or large beyond the bounds of limits.h.
Status check_json_bounds(std::string_view text);

// A number that is no fraction, not negative and at most `most`; an error that says what it is of.
Result<uint64_t> json_count(const nlohmann::json& value, uint64_t most, std::string_view what);

// The inverse of append_json. An error (a sentence without a file name) where the text is no JSON or is nested or
// large beyond the bounds of limits.h.
Result<nlohmann::json> parse_json(std::string_view text);

// What stands wrong in a message of the JSON library, without the name of its exception.
std::string json_complaint(const std::exception& error);

}  // namespace lowbit::io

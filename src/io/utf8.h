// Strings of any bytes: what is valid UTF-8, how other bytes are written in JSON without loss, how names are shown.
#pragma once

#include <string>
#include <string_view>

namespace lowbit::io {

// Bytes of the valid UTF-8 sequence at the start of text (1 to 4), or 0 (text empty, or no valid sequence there).
// Overlong forms, surrogates and values beyond U+10FFFF are not valid (RFC 3629).
size_t utf8_sequence(std::string_view text);

bool is_utf8(std::string_view text);

// A lossless image of any bytes in valid UTF-8, the identity for ordinary text. Each byte b >= 0x80 that belongs to
// no valid sequence becomes the private-use character U+10FF00 + b; so do the four bytes of a character that already
// stands in that range (U+10FF80 to U+10FFFF).
std::string escape_bytes(std::string_view bytes);

// The inverse of escape_bytes.
std::string unescape_bytes(std::string_view text);

// Text from a file, fit for a message: control characters and bytes that are not UTF-8 as \xNN, and cut with "..."
// where it is longer than `most` bytes.
std::string printable(std::string_view text, size_t most);

// A name from a file, in quotation marks, fit for an error message: printable, at most 80 bytes.
std::string shown(std::string_view name);

}  // namespace lowbit::io

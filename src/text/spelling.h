// How vocabularies write bytes ("<0x0A>") and spaces (U+2581).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace lowbit::text {

inline std::string byte_token(uint8_t byte) { return fmt::format("<0x{:02X}>", byte); }

// -1 where the token is none of these.
inline int byte_of_token(std::string_view token) {
  if (token.size() != 6 || token.substr(0, 3) != "<0x" || token[5] != '>') return -1;
  int byte = 0;
  for (const char c : token.substr(3, 2)) {
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                             : -1;
    if (digit < 0) return -1;
    byte = byte * 16 + digit;
  }
  return byte;
}

inline constexpr std::string_view kMetaspace = "\xE2\x96\x81";  // U+2581, written for a space

// Every occurrence.
inline std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  for (size_t at = 0;;) {
    const size_t found = from.empty() ? text.npos : text.find(from, at);
    out += text.substr(at, found == text.npos ? text.npos : found - at);
    if (found == text.npos) return out;
    out += to;
    at = found + from.size();
  }
}

}  // namespace lowbit::text

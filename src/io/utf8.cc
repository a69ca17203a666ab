#include "io/utf8.h"

#include <fmt/format.h>

#include <cstdint>

namespace lowbit::io {
namespace {

constexpr size_t kShownBytes = 80;
// U+10FF80 to U+10FFFF in UTF-8: F4 8F BE 80 to F4 8F BF BF.
constexpr std::string_view kEscapePrefix = "\xF4\x8F";

uint8_t byte_at(std::string_view text, size_t i) { return static_cast<uint8_t>(text[i]); }

bool is_escape(std::string_view sequence) {
  return sequence.size() == 4 && sequence.starts_with(kEscapePrefix) && byte_at(sequence, 2) >= 0xBE;
}

void append_escape(uint8_t byte, std::string& out) {
  out += kEscapePrefix;
  out += static_cast<char>(0xBC + (byte >> 6));
  out += static_cast<char>(0x80 + (byte & 0x3F));
}

}  // namespace

size_t utf8_sequence(std::string_view text) {
  if (text.empty()) return 0;
  const uint8_t first = byte_at(text, 0);
  if (first < 0x80) return 1;
  const size_t length = first >= 0xC2 && first < 0xE0   ? 2
                        : first >= 0xE0 && first < 0xF0 ? 3
                        : first >= 0xF0 && first < 0xF5 ? 4
                                                        : 0;
  if (length == 0 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte_at(text, i) & 0xC0) != 0x80) return 0;
  }
  const uint8_t second = byte_at(text, 1);
  const bool overlong = (first == 0xE0 && second < 0xA0) || (first == 0xF0 && second < 0x90);
  const bool beyond = (first == 0xED && second >= 0xA0) || (first == 0xF4 && second >= 0x90);
  return overlong || beyond ? 0 : length;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const size_t length = utf8_sequence(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string escape_bytes(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  while (!bytes.empty()) {
    const size_t length = utf8_sequence(bytes);
    const std::string_view sequence = bytes.substr(0, length == 0 ? 1 : length);
    if (length == 0 || is_escape(sequence)) {
      for (size_t i = 0; i < sequence.size(); ++i) append_escape(byte_at(sequence, i), out);
    } else {
      out += sequence;
    }
    bytes.remove_prefix(sequence.size());
  }
  return out;
}

std::string unescape_bytes(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const std::string_view four = text.substr(i, 4);
    if (is_escape(four)) {
      out += static_cast<char>(((byte_at(four, 2) - 0xBC) << 6) | (byte_at(four, 3) & 0x3F));
      i += 4;
    } else {
      out += text[i++];
    }
  }
  return out;
}

std::string printable(std::string_view text, size_t most) {
  std::string out;
  while (!text.empty()) {
    if (out.size() >= most) return out + "...";
    const size_t length = utf8_sequence(text);
    const uint8_t first = byte_at(text, 0);
    if (length == 0 || first < 0x20 || first == 0x7F) {
      out += fmt::format("\\x{:02x}", first);
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return out;
}

std::string shown(std::string_view name) { return '"' + printable(name, kShownBytes) + '"'; }

}  // namespace lowbit::io

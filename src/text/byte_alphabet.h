// How the files of byte-level vocabularies spell bytes (GPT-2, encoder.py).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "text/unicode.h"
#include "text/utf8.h"

namespace lowbit::text {

// Files write each byte as a visible character: printable Latin-1 bytes as themselves, the other 68 as U+0100 upwards
// in ascending order.
class ByteAlphabet {
 public:
  static const ByteAlphabet& get() {
    static const ByteAlphabet alphabet;
    return alphabet;
  }

  // The bytes that a string of the file spells; empty optional where a character stands for no byte.
  std::optional<std::string> decode(std::string_view written) const {
    std::string bytes;
    while (!written.empty()) {
      const Utf8Step step = utf8_step(written);
      const uint32_t code = step.kind == Utf8Kind::character ? code_point(written.substr(0, step.length)) : kNone;
      if (code >= byte_of_.size() || byte_of_[code] < 0) return std::nullopt;
      bytes += static_cast<char>(byte_of_[code]);
      written.remove_prefix(step.length);
    }
    return bytes;
  }

  // How files write a byte.
  const std::string& written(uint8_t byte) const { return written_[byte]; }

 private:
  static constexpr uint32_t kNone = ~0u;
  std::array<int16_t, 256 + 68> byte_of_;  // by code point; -1: stands for no byte
  std::array<std::string, 256> written_;

  ByteAlphabet() {
    byte_of_.fill(-1);
    uint32_t next = 256;
    for (int byte = 0; byte < 256; ++byte) {
      const bool printable = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
      const uint32_t code = printable ? static_cast<uint32_t>(byte) : next++;
      byte_of_[code] = static_cast<int16_t>(byte);
      append_char(written_[byte], code);
    }
  }

  // Of a well-formed character; only one or two bytes matter here.
  static uint32_t code_point(std::string_view character) {
    const auto at = [&](size_t i) { return static_cast<uint8_t>(character[i]); };
    if (character.size() == 1) return at(0);
    if (character.size() == 2) return (at(0) & 0x1Fu) << 6 | (at(1) & 0x3Fu);
    return kNone;
  }
};

}  // namespace lowbit::text

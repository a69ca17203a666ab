// UTF-8 as bytes that may be damaged: one step at a time, and repair for output.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace lowbit::text {

enum class Utf8Kind : uint8_t {
  character,   // one well-formed character
  invalid,     // bytes that begin no character, whatever follows
  incomplete,  // the text ends inside what may still become a character
};

struct Utf8Step {
  size_t length = 0;  // bytes, 1 to 4
  Utf8Kind kind = Utf8Kind::character;
};

// What stands at the beginning of a text that is not empty. Well-formed as in Unicode 15, table 3-7 (no surrogates,
// no overlong forms, nothing above U+10FFFF); an invalid step is the "maximal subpart" of section 3.9.
Utf8Step utf8_step(std::string_view text);

// The text with U+FFFD in place of each invalid or incomplete step: always well-formed.
std::string repair_utf8(std::string_view text);

inline constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";

}  // namespace lowbit::text

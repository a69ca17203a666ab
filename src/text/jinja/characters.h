// Characters of UTF-8 text as Python's str sees them. Bytes that are no UTF-8 are characters of their own.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lowbit::text::jinja {

std::vector<std::string_view> characters(std::string_view text);
size_t count_characters(std::string_view text);
char32_t decode(std::string_view character);  // U+FFFD for damaged bytes
void append_utf8(std::string& out, char32_t code);

// Bytes of the white space (str.isspace) at the beginning or the end; 0: there is none.
size_t leading_space(std::string_view text);
size_t trailing_space(std::string_view text);
// str.strip: of white space, or of the given characters.
std::string_view strip_left(std::string_view text, const std::string* set = nullptr);
std::string_view strip_right(std::string_view text, const std::string* set = nullptr);

// Simple case mapping of Unicode (one character stays one).
std::string to_upper(std::string_view text);
std::string to_lower(std::string_view text);
bool is_upper(std::string_view character);
bool is_lower(std::string_view character);
bool is_letter(std::string_view character);
bool is_word(std::string_view character);  // \w
bool is_printable(std::string_view character);

std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends = false);

}  // namespace lowbit::text::jinja

#include "text/jinja/characters.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>

#include "base/check.h"
#include "text/utf8.h"

namespace lowbit::text::jinja {
namespace {

// A class of characters by its Unicode properties, asked one character at a time.
class CharacterClass {
 public:
  explicit CharacterClass(const char* pattern) {
    int error = 0;
    size_t offset = 0;
    code_ = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern), PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP, &error,
                          &offset, nullptr);
    LOWBIT_CHECK(code_ != nullptr);
  }
  CharacterClass(const CharacterClass&) = delete;
  CharacterClass& operator=(const CharacterClass&) = delete;
  ~CharacterClass() { pcre2_code_free(code_); }

  bool has(std::string_view character) const {
    if (utf8_step(character).kind != Utf8Kind::character) return false;
    pcre2_match_data* data = pcre2_match_data_create(1, nullptr);
    const int found = pcre2_match(code_, reinterpret_cast<PCRE2_SPTR>(character.data()), character.size(), 0,
                                  PCRE2_ANCHORED, data, nullptr);
    pcre2_match_data_free(data);
    return found > 0;
  }

  // Every stretch of the class written through a replacement of PCRE2's extended syntax.
  std::string substitute(const std::string& text, const char* replacement) const {
    std::string out(text.size() * 2 + 16, '\0');
    for (int round = 0; round < 2; ++round) {
      size_t size = out.size();
      const int result =
          pcre2_substitute(code_, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), 0,
                           PCRE2_SUBSTITUTE_GLOBAL | PCRE2_SUBSTITUTE_EXTENDED | PCRE2_SUBSTITUTE_OVERFLOW_LENGTH,
                           nullptr, nullptr, reinterpret_cast<PCRE2_SPTR>(replacement), PCRE2_ZERO_TERMINATED,
                           reinterpret_cast<PCRE2_UCHAR*>(out.data()), &size);
      if (result >= 0) {
        out.resize(size);
        return out;
      }
      if (result != PCRE2_ERROR_NOMEMORY) return text;
      out.resize(size);
    }
    return text;
  }

 private:
  pcre2_code* code_;
};

bool ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

bool space(char32_t c) {
  return (c >= 9 && c <= 13) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

bool line_end(char32_t c) {
  return (c >= 10 && c <= 13) || (c >= 0x1c && c <= 0x1e) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

std::string_view last_character(std::string_view text) {
  for (size_t length = 2; length <= std::min<size_t>(4, text.size()); ++length) {
    const std::string_view tail = text.substr(text.size() - length);
    const Utf8Step step = utf8_step(tail);
    if (step.kind == Utf8Kind::character && step.length == length) return tail;
  }
  return text.substr(text.size() - 1);
}

bool in_set(std::string_view character, const std::string& set) {
  for (size_t at = set.find(character); at != std::string::npos; at = set.find(character, at + 1)) {
    if (character.size() > 1 || static_cast<unsigned char>(character[0]) < 0x80) return true;
  }
  return false;
}

std::string change_case(std::string_view text, const char* replacement, int (*of_ascii)(int)) {
  if (ascii(text)) {
    std::string out(text);
    for (char& c : out) c = static_cast<char>(of_ascii(static_cast<unsigned char>(c)));
    return out;
  }
  static const CharacterClass letters("[\\p{L}\\p{M}\\p{N}\\p{So}]+");
  return letters.substitute(repair_utf8(text), replacement);
}

int ascii_upper(int c) { return c >= 'a' && c <= 'z' ? c - 32 : c; }
int ascii_lower(int c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; }

}  // namespace

std::vector<std::string_view> characters(std::string_view text) {
  std::vector<std::string_view> out;
  while (!text.empty()) {
    const size_t length = utf8_step(text).length;
    out.push_back(text.substr(0, length));
    text.remove_prefix(length);
  }
  return out;
}

size_t count_characters(std::string_view text) {
  if (ascii(text)) return text.size();
  size_t count = 0;
  for (; !text.empty(); ++count) text.remove_prefix(utf8_step(text).length);
  return count;
}

char32_t decode(std::string_view character) {
  const auto byte = [&](size_t i) { return static_cast<char32_t>(static_cast<unsigned char>(character[i])); };
  if (character.empty() || utf8_step(character).kind != Utf8Kind::character) return 0xFFFD;
  switch (utf8_step(character).length) {
    case 1:
      return byte(0);
    case 2:
      return (byte(0) & 0x1f) << 6 | (byte(1) & 0x3f);
    case 3:
      return (byte(0) & 0x0f) << 12 | (byte(1) & 0x3f) << 6 | (byte(2) & 0x3f);
    default:
      return (byte(0) & 7) << 18 | (byte(1) & 0x3f) << 12 | (byte(2) & 0x3f) << 6 | (byte(3) & 0x3f);
  }
}

void append_utf8(std::string& out, char32_t code) {
  if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) code = 0xFFFD;
  if (code < 0x80) {
    out += static_cast<char>(code);
    return;
  }
  const int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  constexpr unsigned kLead[] = {0, 0xC0, 0xE0, 0xF0};
  out += static_cast<char>(kLead[more] | code >> (6 * more));
  for (int i = more - 1; i >= 0; --i) out += static_cast<char>(0x80 | (code >> (6 * i) & 0x3f));
}

size_t leading_space(std::string_view text) {
  if (text.empty()) return 0;
  const size_t length = utf8_step(text).length;
  return space(decode(text.substr(0, length))) ? length : 0;
}

size_t trailing_space(std::string_view text) {
  if (text.empty()) return 0;
  const std::string_view last = last_character(text);
  return space(decode(last)) ? last.size() : 0;
}

std::string_view strip_left(std::string_view text, const std::string* set) {
  while (!text.empty()) {
    const size_t length = utf8_step(text).length;
    if (set != nullptr ? !in_set(text.substr(0, length), *set) : leading_space(text) == 0) break;
    text.remove_prefix(length);
  }
  return text;
}

std::string_view strip_right(std::string_view text, const std::string* set) {
  while (!text.empty()) {
    const std::string_view last = last_character(text);
    if (set != nullptr ? !in_set(last, *set) : trailing_space(text) == 0) break;
    text.remove_suffix(last.size());
  }
  return text;
}

std::string to_upper(std::string_view text) {
  constexpr std::string_view kSharpS = "\xC3\x9F";  // the one letter in use whose capital is two
  std::string out(text);
  for (size_t at = out.find(kSharpS); at != std::string::npos; at = out.find(kSharpS, at)) out.replace(at, 2, "SS");
  return change_case(out, "\\U$0", ascii_upper);
}
std::string to_lower(std::string_view text) { return change_case(text, "\\L$0", ascii_lower); }

bool is_upper(std::string_view character) {
  static const CharacterClass members("[\\p{Lu}\\p{Lt}]");
  return members.has(character);
}

bool is_lower(std::string_view character) {
  static const CharacterClass members("\\p{Ll}");
  return members.has(character);
}

bool is_letter(std::string_view character) {
  static const CharacterClass members("\\p{L}");
  return members.has(character);
}

bool is_word(std::string_view character) {
  static const CharacterClass members("[\\p{L}\\p{N}_]");
  return members.has(character);
}

bool is_printable(std::string_view character) {
  if (character.size() == 1 && static_cast<unsigned char>(character[0]) < 0x80) {
    return character[0] >= 0x20 && character[0] != 0x7f;
  }
  static const CharacterClass others("[\\p{C}\\p{Z}]");
  return !others.has(character);
}

std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends) {
  std::vector<std::string_view> out;
  size_t begin = 0;
  for (size_t at = 0; at < text.size();) {
    size_t length = utf8_step(text.substr(at)).length;
    if (!line_end(decode(text.substr(at, length)))) {
      at += length;
      continue;
    }
    if (text.substr(at, 2) == "\r\n") length = 2;
    out.push_back(text.substr(begin, at - begin + (keep_ends ? length : 0)));
    at += length;
    begin = at;
  }
  if (begin < text.size()) out.push_back(text.substr(begin));
  return out;
}

}  // namespace lowbit::text::jinja

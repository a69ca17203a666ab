// Characters by their properties, and the normal forms of texts (utf8proc), as the tokenizers of models know them:
// marks, punctuation and compositions younger than the tables of the tokenizers package are left out
// (young_characters.inc).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace lowbit::text {

// The code point at the beginning of a well-formed text that is not empty.
uint32_t first_char(std::string_view text);
// The code point that a well-formed text that is not empty ends with.
uint32_t last_char(std::string_view text);
// Bytes of the character that begins with this byte of a well-formed text.
size_t char_length(char first_byte);
void append_char(std::string& text, uint32_t c);

bool is_white_space(uint32_t c);      // the property White_Space
bool is_nonspacing_mark(uint32_t c);  // category Mn
bool is_mark(uint32_t c);             // Mn, Mc, Me
bool is_numeric(uint32_t c);          // Nd, Nl, No
bool is_punctuation(uint32_t c);      // P*, and all marks of ASCII, "$+<=>^`|~" among them
bool is_control(uint32_t c);          // Cc, Cf, Co, but not tab, line feed, carriage return
bool is_word(uint32_t c);             // what \w means: letters, marks, decimal digits, connectors
bool is_cjk_ideograph(uint32_t c);    // the blocks that BERT's tokenizer takes character by character

enum class NormalForm : uint8_t { nfc, nfd, nfkc, nfkd };
// Of a well-formed text.
std::string normalize(std::string_view text, NormalForm form);
// Every character by itself, without regard to its place in the word.
std::string lower_case(std::string_view text);
// The same but for a sigma that ends a word, as Python's str.lower has it (Unicode, section 3.13: Final_Sigma).
std::string lower_case_of_words(std::string_view text);

// The end of the extended grapheme cluster that begins at `from` in a well-formed text.
size_t grapheme_end(std::string_view text, size_t from);

}  // namespace lowbit::text

#include "text/unicode.h"

#include <gtest/gtest.h>

namespace lowbit::text {
namespace {

// What StripAccents of the tokenizers package (0.23) takes away, and what it leaves.
TEST(Unicode, MarksAreThoseOfThePackage) {
  for (const uint32_t c : {0x300u, 0x903u, 0x20DDu, 0x1CF2u, 0x1CF3u}) EXPECT_TRUE(is_mark(c)) << c;
  for (const uint32_t c : {0x41u, 0x1CF1u, 0x1CF7u, 0xAFAu, 0x1F600u}) EXPECT_FALSE(is_mark(c)) << c;
}

// What str.lower of Python 3.11 gives.
TEST(Unicode, LowerCaseOfWordsIsThatOfPython) {
  const std::pair<const char*, const char*> cases[] = {
      {"", ""},
      {"ÀB ßẞ ǅ", "àb ßß ǆ"},
      {"ΟΔΥΣΣΕΥΣ", "οδυσσευς"},
      {"ΣΑΣ'.", "σας'."},
      {"ΑΣ'Α", "ασ'α"},
      {"Σ 1Σ ʰΣ", "σ 1σ ʰσ"},
      {"Aʰ\u0301Σ", "aʰ\u0301ς"},
      {"ΑΣΣ ΣΑΣ", "ασς σας"},
      {"ΑΣ\u0301", "ας\u0301"},
      {"İΣ", "i\u0307ς"},
      {"ΑΣ.Β ΑΣ Β", "ασ.β ας β"},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(lower_case_of_words(text), expected);
  EXPECT_EQ(lower_case("ΑΣ"), "ασ");
}

}  // namespace
}  // namespace lowbit::text

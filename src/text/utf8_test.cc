#include "text/utf8.h"

#include <gtest/gtest.h>

#include <bit>
#include <string>

namespace lowbit::text {
namespace {

// Well-formedness by arithmetic on the code point: the bits say a number, and it must be written in the shortest way.
size_t naive_character_length(const std::string& bytes) {
  const auto at = [&](size_t i) { return static_cast<uint8_t>(bytes[i]); };
  const size_t ones = at(0) < 0x80 ? 0 : std::countl_one(at(0));
  const size_t length = ones == 0 ? 1 : ones;
  if (ones == 1 || ones > 4 || bytes.size() < length) return 0;
  uint32_t code = ones == 0 ? at(0) : at(0) & (0x7Fu >> ones);
  for (size_t i = 1; i < length; ++i) {
    if ((at(i) & 0xC0) != 0x80) return 0;
    code = code << 6 | (at(i) & 0x3F);
  }
  const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  return code < least[length] || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF) ? 0 : length;
}

TEST(Utf8, AgreesWithArithmeticOnCodePoints) {
  const uint8_t tails[] = {0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF};
  for (int first = 0; first < 256; ++first) {
    for (int second = 0; second < 256; ++second) {
      for (const uint8_t third : tails) {
        for (const uint8_t fourth : tails) {
          const std::string bytes = {static_cast<char>(first), static_cast<char>(second), static_cast<char>(third),
                                     static_cast<char>(fourth)};
          const size_t expected = naive_character_length(bytes);
          const Utf8Step step = utf8_step(bytes);
          ASSERT_EQ(step.kind == Utf8Kind::character, expected > 0) << first << ' ' << second;
          if (expected > 0) {
            ASSERT_EQ(step.length, expected);
          }
          // Every beginning of a character is incomplete, of its whole length.
          for (size_t cut = 1; cut < expected; ++cut) {
            const Utf8Step part = utf8_step(std::string_view(bytes).substr(0, cut));
            ASSERT_EQ(part.kind, Utf8Kind::incomplete);
            ASSERT_EQ(part.length, cut);
          }
        }
      }
    }
  }
}

TEST(Utf8, RepairPutsOneMarkForEachMaximalSubpart) {
  // The example of the Unicode standard, section 3.9, table 3-8 and 3-9.
  const std::string mark(kReplacementCharacter);
  EXPECT_EQ(repair_utf8("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41"),
            mark + mark + mark + mark + mark + mark + mark + mark + "A");
  EXPECT_EQ(repair_utf8("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41"), mark + mark + mark + mark + "A");
  EXPECT_EQ(repair_utf8(""), "");
  EXPECT_EQ(repair_utf8("a\xF0\x9F\xA6"), "a" + mark);
  EXPECT_EQ(repair_utf8("\xF0\x9F\xA6\x99"), "\xF0\x9F\xA6\x99");
}

}  // namespace
}  // namespace lowbit::text

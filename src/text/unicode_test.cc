#include "text/unicode.h"

#include <gtest/gtest.h>

namespace lowbit::text {
namespace {

// What StripAccents of the tokenizers package (0.23) takes away, and what it leaves.
TEST(Unicode, MarksAreThoseOfThePackage) {
  for (const uint32_t c : {0x300u, 0x903u, 0x20DDu, 0x1CF2u, 0x1CF3u}) EXPECT_TRUE(is_mark(c)) << c;
  for (const uint32_t c : {0x41u, 0x1CF1u, 0x1CF7u, 0xAFAu, 0x1F600u}) EXPECT_FALSE(is_mark(c)) << c;
}

}  // namespace
}  // namespace lowbit::text

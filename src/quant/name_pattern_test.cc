#include "quant/name_pattern.h"

#include <gtest/gtest.h>

namespace lowbit::quant {
namespace {

TEST(NamePattern, IsLookedForInTheName) {
  const auto pattern = NamePattern::compile("blk\\.(0|2)\\.");
  ASSERT_TRUE(pattern.ok()) << pattern.message();
  EXPECT_TRUE(*pattern->found_in("blk.0.attn_q.weight"));
  EXPECT_FALSE(*pattern->found_in("blk.1.attn_q.weight"));
}

TEST(NamePattern, ErrorsSayWhatAndWhere) {
  const auto pattern = NamePattern::compile("([");
  ASSERT_FALSE(pattern.ok());
  EXPECT_NE(pattern.message().find("is no regular expression: missing terminating ] for character class"),
            std::string::npos)
      << pattern.message();
  EXPECT_FALSE(NamePattern::compile(std::string(10000, 'a')).ok());
}

TEST(NamePattern, AnExpressionThatNeverEndsIsAnError) {
  const auto pattern = NamePattern::compile("(a+)+$");
  ASSERT_TRUE(pattern.ok());
  const auto found = pattern->found_in(std::string(60, 'a') + "b");
  ASSERT_FALSE(found.ok());
  EXPECT_NE(found.message().find("limit"), std::string::npos) << found.message();
}

}  // namespace
}  // namespace lowbit::quant

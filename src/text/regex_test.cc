#include "text/regex.h"

#include <gtest/gtest.h>

#include <vector>

namespace lowbit::text {
namespace {

std::vector<std::string> matches(std::string_view pattern, std::string_view text) {
  std::vector<std::string> out;
  const auto regex = Regex::compile(pattern);
  EXPECT_TRUE(regex.ok()) << regex.message();
  if (!regex.ok()) return out;
  Regex::Matcher(*regex).each(text, [&](const Regex::Matcher::Match& match) {
    out.emplace_back(text.substr(match.begin, match.end - match.begin));
  });
  return out;
}

using Found = std::vector<std::string>;

TEST(Regex, OnigurumasWords) {
  EXPECT_EQ(matches("\\h+", "xyfF0g"), (Found{"fF0"}));
  EXPECT_EQ(matches("[\\h&&[^a-e]]+", "abf9"), (Found{"f9"}));
  EXPECT_EQ(matches("[a-c[x-z]]+", "abmxyz"), (Found{"ab", "xyz"}));
  EXPECT_EQ(matches("[^a-c[x-z]]+", "abmxyzn"), (Found{"m", "n"}));
  EXPECT_EQ(matches("[^\\s]+",
                    "a\xC2\x85"
                    "b c"),
            (Found{"a", "b", "c"}));
  EXPECT_EQ(matches("[\\S]+", "a b"), (Found{"a", "b"}));
  EXPECT_EQ(matches("[[:alpha:]]+", "ab1c"), (Found{"ab", "c"}));
  EXPECT_EQ(matches("^b$", "a\nb\nc"), (Found{"b"}));
  EXPECT_EQ(matches("[]a]+", "]a["), (Found{"]a"}));
  EXPECT_EQ(matches(literal_pattern("a.[b \xC3\xA9"), "a.[b \xC3\xA9 axb"), (Found{"a.[b \xC3\xA9"}));
}

TEST(Regex, EmptyMatchesOnceForEachPlace) {
  EXPECT_EQ(matches("(?=\xC3\xA9)|b",
                    "a\xC3\xA9"
                    "bb"),
            (Found{"", "b", "b"}));
  EXPECT_EQ(matches("x*", "\xC3\xA9"), (Found{"", ""}));
}

TEST(Regex, WhatDoesNotCompile) {
  EXPECT_FALSE(Regex::compile("(a").ok());
  EXPECT_FALSE(Regex::compile("[a").ok());
  EXPECT_FALSE(Regex::compile(std::string(100, '[')).ok());
  EXPECT_FALSE(Regex::compile(std::string(100000, 'a')).ok());
}

}  // namespace
}  // namespace lowbit::text

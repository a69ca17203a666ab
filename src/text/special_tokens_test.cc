#include "text/special_tokens.h"

#include <gtest/gtest.h>

#include <chrono>

#include "base/rng.h"

namespace lowbit::text {
namespace {

std::string random_text(Rng& rng, size_t most) {
  constexpr std::string_view kAlphabet("ab\xFF<\0", 5);
  std::string text;
  for (size_t n = rng.below(most + 1); n > 0; --n) text += kAlphabet[rng.below(kAlphabet.size())];
  return text;
}

// Every place and every name, one after another.
SpecialTokens::Found find_slowly(const Vocabulary& vocabulary, std::string_view text, size_t from,
                                 bool parse_control) {
  SpecialTokens::Found found{text.size(), 0, -1};
  for (size_t at = from; at < text.size() && found.length == 0; ++at) {
    for (size_t id = 0; id < vocabulary.tokens.size(); ++id) {
      const std::string& name = vocabulary.tokens[id];
      const TokenType type = vocabulary.types[id];
      const bool asked = type == TokenType::user_defined ||
                         (parse_control && (type == TokenType::control || type == TokenType::unknown));
      if (!asked || name.size() <= found.length || text.substr(at, name.size()) != name) continue;
      found = {at, name.size(), static_cast<int32_t>(id)};
    }
  }
  return found;
}

TEST(SpecialTokens, AgreeWithTheSlowSearchOnRandomVocabularies) {
  Rng rng(81);
  int found = 0;
  for (int round = 0; round < 300; ++round) {
    Vocabulary vocabulary;
    for (size_t n = rng.below(30); n > 0; --n) {
      vocabulary.tokens.push_back(random_text(rng, 1 + rng.below(6)));
      vocabulary.types.push_back(static_cast<TokenType>(1 + rng.below(6)));
    }
    const SpecialTokens specials(vocabulary);
    for (int i = 0; i < 20; ++i) {
      const std::string text = random_text(rng, 40);
      const size_t from = rng.below(text.size() + 1);
      const bool parse_control = rng.below(2) == 0;
      const auto got = specials.find(text, from, parse_control);
      const auto expected = find_slowly(vocabulary, text, from, parse_control);
      ASSERT_EQ(got.at, expected.at);
      ASSERT_EQ(got.length, expected.length);
      ASSERT_EQ(got.id, expected.id);
      found += got.length > 0 ? 1 : 0;
    }
  }
  EXPECT_GT(found, 1000);
}

// A hundred thousand names that begin alike, in a text of nothing but their beginning.
TEST(SpecialTokens, ManyNamesInBoundedTime) {
  for (const TokenType type : {TokenType::control, TokenType::user_defined}) {
    Vocabulary vocabulary;
    for (int i = 0; i < 100000; ++i) {
      vocabulary.tokens.push_back(fmt::format("<|reserved_{}|>", i));
      vocabulary.types.push_back(type);
    }
    const SpecialTokens specials(vocabulary);
    std::string text;
    while (text.size() < 2000000) text += "<|reserved_77777|";
    const auto start = std::chrono::steady_clock::now();
    EXPECT_EQ(specials.find(text, 0, true).length, 0u);
    EXPECT_EQ(specials.find(text, 0, false).length, 0u);
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
  }
}

}  // namespace
}  // namespace lowbit::text

#include "text/pre_tokenizer.h"

#include <gtest/gtest.h>

namespace lowbit::text {
namespace {

using Pieces = std::vector<std::string>;

Pieces split(std::string_view name, std::string_view text) {
  const auto pre_tokenizer = PreTokenizer::find(name);
  EXPECT_TRUE(pre_tokenizer.ok()) << pre_tokenizer.message();
  PreTokenizer::Splitter splitter(*pre_tokenizer);
  const auto& pieces = splitter.split(text);
  return Pieces(pieces.begin(), pieces.end());
}

std::vector<std::string> all_names() {
  std::vector<std::string> names;
  const std::string known = PreTokenizer::known_names();
  for (size_t from = 0; from < known.size();) {
    const size_t end = std::min(known.find(", ", from), known.size());
    names.push_back(known.substr(from, end - from));
    from = end + 2;
  }
  return names;
}

TEST(PreTokenizer, Gpt2KeepsWordsWithTheBlankBefore) {
  EXPECT_EQ(split("gpt-2", "I've 12 cats!! \n\n ok"), (Pieces{"I", "'ve", " 12", " cats", "!!", " \n\n", " ok"}));
  EXPECT_EQ(split("gpt-2", "a  b\n"), (Pieces{"a", " ", " b", "\n"}));
}

TEST(PreTokenizer, SmollmTakesEveryDigitAlone) {
  EXPECT_EQ(split("smollm", "in 1234x \xE0\xA7\xAA\xC2\xBD"),
            (Pieces{"in", " ", "1", "2", "3", "4", "x", " ", "\xE0\xA7\xAA", "\xC2\xBD"}));
}

TEST(PreTokenizer, FalconAndDefaultDifferInTheBacktick) {
  EXPECT_EQ(split("falcon", "a 12345``!x"), (Pieces{"a", " ", "123", "45", "``!", "x"}));
  EXPECT_EQ(split("default", "a 12345``!x"), (Pieces{"a", " ", "123", "45", "``", "!", "x"}));
}

TEST(PreTokenizer, WhiteSpaceIsTheUnicodeProperty) {
  // U+3000 and U+0085 are white space, U+180E (a format character since Unicode 6.3) is not.
  EXPECT_EQ(split("gpt-2", "a\xE3\x80\x80\xC2\x85"), (Pieces{"a", "\xE3\x80\x80\xC2\x85"}));
  EXPECT_EQ(split("gpt-2", "!\xE1\xA0\x8E!"), (Pieces{"!\xE1\xA0\x8E!"}));
}

TEST(PreTokenizer, BytesThatAreNoUtf8AreAPiece) {
  EXPECT_EQ(split("gpt-2", "caf\xC3\xA9\xFF\xFE ok\xF0\x9F"), (Pieces{"caf\xC3\xA9", "\xFF\xFE", " ok", "\xF0\x9F"}));
  EXPECT_EQ(split("gpt-2", "\xC3"), (Pieces{"\xC3"}));
  EXPECT_EQ(split("gpt-2", ""), Pieces{});
}

TEST(PreTokenizer, PiecesOfEveryRowAreTheTextInOrder) {
  uint32_t state = 1;
  const std::string marks[] = {" ",    "  ",       "\n",           "\t",
                               "a",    "Zb",       "'s",           "'",
                               "1",    "234",      "!?",           "`",
                               "$=",   "\xC3\xA9", "\xE6\xBC\xA2", "\xF0\x9F\xA6\x99",
                               "\xFF", "\xC3",     "\xE2\x80",     std::string(1, '\0')};
  for (const std::string& name : all_names()) {
    for (int round = 0; round < 300; ++round) {
      std::string text, joined;
      for (int i = 0; i < round % 40; ++i) {
        state = state * 1664525 + 1013904223;
        text += marks[(state >> 16) % std::size(marks)];
      }
      for (const std::string& piece : split(name, text)) {
        EXPECT_FALSE(piece.empty());
        joined += piece;
      }
      EXPECT_EQ(joined, text) << name;
    }
  }
  EXPECT_GE(all_names().size(), 6u);
}

TEST(PreTokenizer, AnUnknownNameIsAnErrorWithTheKnownNames) {
  const auto found = PreTokenizer::find("babylon");
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.message(), "is \"babylon\", expected one of " + PreTokenizer::known_names() +
                                 " (--pre-tokenizer NAME says which of them the model means)");
  EXPECT_NE(found.message().find("smollm"), std::string::npos);
}

}  // namespace
}  // namespace lowbit::text

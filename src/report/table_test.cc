#include "report/table.h"

#include <gtest/gtest.h>

namespace lowbit::report {
namespace {

TEST(Table, AlignsColumns) {
  const std::vector<Column> columns = {{"tensor"}, {"bits", Align::right}, {"format"}};
  const std::string got = table(columns, {{"token_embd.weight", "5.25", "int5/64"}, {"blk.0", "10", ""}, {"x"}});
  EXPECT_EQ(got,
            "tensor             bits  format\n"
            "────────────────────────────────\n"
            "token_embd.weight  5.25  int5/64\n"
            "blk.0                10\n"
            "x\n");
}
// The rule is as wide as the widest line.
TEST(Table, RuleSpansTheColumns) {
  const std::vector<Column> columns = {{"a"}, {"b", Align::right}};
  EXPECT_EQ(table(columns, {{"12345", "678"}}), "a        b\n──────────\n12345  678\n");
}

TEST(Table, WidthOnTheScreen) {
  EXPECT_EQ(display_width(""), 0u);
  EXPECT_EQ(display_width("abc"), 3u);
  EXPECT_EQ(display_width("Größe"), 5u);
  EXPECT_EQ(display_width("e\xCC\x81"), 1u);  // e with a combining acute accent
  EXPECT_EQ(display_width("日本"), 4u);
  EXPECT_EQ(display_width("\xF0\x9F\x98\x80"), 2u);  // an emoji
  EXPECT_EQ(display_width("\xFF\xFEx"), 3u);         // two broken bytes
  const std::vector<Column> columns = {{"name"}, {"n", Align::right}};
  EXPECT_EQ(table(columns, {{"日本", "1"}, {"Größe", "22"}}), "name    n\n─────────\n日本    1\nGröße  22\n");
}

TEST(Table, CutsAndCleansCells) {
  const std::vector<Column> columns = {{"", Align::left, 5}, {"", Align::right, 3}};
  EXPECT_EQ(table(columns, {{"abcdef", "1234"}, {"abcde", "123"}}), "abcd…  12…\nabcde  123\n");
  EXPECT_EQ(table(columns, {{"日本語", "1"}}), "日本…  1\n");
  EXPECT_EQ(table(columns, {{"a\x1b[2J", ""}}), "a\xEF\xBF\xBD[2J\n");
  EXPECT_EQ(table(columns, {{"a\nb", ""}}),
            "a\xEF\xBF\xBD"
            "b\n");
  EXPECT_EQ(table({}, {{"x"}}), "\n");
}

}  // namespace
}  // namespace lowbit::report

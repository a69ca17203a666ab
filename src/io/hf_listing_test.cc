#include "io/hf_listing.h"

#include <gtest/gtest.h>

namespace lowbit::io {
namespace {

constexpr const char* kCommit = "0123456789abcdef0123456789abcdef01234567";

std::string answer(const std::string& siblings) {
  return std::string(R"({"id":"o/n","sha":")") + kCommit + R"(","private":false,"siblings":)" + siblings + "}";
}

TEST(HfListing, commit_and_files_in_the_order_of_the_hub) {
  const auto listing = parse_hf_listing(answer(R"([{"rfilename":"b/x.json","size":3},{"rfilename":"a.gguf"}])"));
  ASSERT_TRUE(listing.ok()) << listing.message();
  EXPECT_EQ(listing->commit, kCommit);
  EXPECT_EQ(listing->files, (std::vector<std::string>{"b/x.json", "a.gguf"}));
  const auto empty = parse_hf_listing(answer("[]"));
  ASSERT_TRUE(empty.ok()) << empty.message();
  EXPECT_TRUE(empty->files.empty());
}

TEST(HfListing, what_is_none_gets_one_sentence) {
  std::string many = "[";
  for (int i = 0; i <= 100'000; ++i) many += R"({"rfilename":"a"},)";
  many.back() = ']';
  const struct {
    std::string text, says;
  } wrongs[] = {
      {"", "parse error"},
      {"[]", "\"sha\" is missing or no commit"},
      {R"({"sha":5,"siblings":[]})", "\"sha\" is missing or no commit"},
      {R"({"sha":"main","siblings":[]})", "\"sha\" is missing or no commit"},
      {answer("{}"), "\"siblings\" is missing or no list"},
      {answer(many), "at most 100000 files"},
      {answer(R"(["a.gguf"])"), "has no \"rfilename\""},
      {answer(R"([{"rfilename":["a"]}])"), "has no \"rfilename\""},
      {answer(R"([{"rfilename":"../a"}])"), "the file name \"../a\" may not stand in a repository"},
      {answer(R"([{"rfilename":"a\u0000b"}])"), "may not stand in a repository"},
  };
  for (const auto& wrong : wrongs) {
    const auto listing = parse_hf_listing(wrong.text);
    ASSERT_FALSE(listing.ok()) << wrong.says;
    EXPECT_NE(listing.message().find(wrong.says), std::string::npos) << listing.message();
  }
}

}  // namespace
}  // namespace lowbit::io

#include "io/hf_name.h"

#include <gtest/gtest.h>

namespace lowbit::io {
namespace {

TEST(HfNames, parts) {
  const auto name = parse_hf_name("hf:Org/a.b-c:sub/x@y.gguf@v1");
  ASSERT_TRUE(name.ok()) << name.message();
  EXPECT_EQ(name->repo, "Org/a.b-c");
  EXPECT_EQ(name->file, "sub/x@y.gguf");
  EXPECT_EQ(name->revision, "v1");
  EXPECT_EQ(parse_hf_name(name->text())->text(), name->text());
  EXPECT_EQ(parse_hf_name("hf:o/n@refs/pr/1")->revision, "refs/pr/1");
  EXPECT_EQ(parse_hf_name("hf:o/n@v1:f")->revision, "v1");
  EXPECT_EQ(parse_hf_name("hf:o/n")->revision, "main");
  for (const char* wrong :
       {"hf:", "hf:o", "hf:o/n/m", "hf:../n", "hf:o/..", "hf:o/n:", "hf:o/n:/etc/x", "hf:o/n:../x", "hf:o/n:a//b",
        "hf:o/n@", "hf:o/n@../x", "hf:o--p/n", "hf:o/n@a:f@b", "hf:o/n?x", "hf:o/ n"}) {
    EXPECT_FALSE(parse_hf_name(wrong).ok()) << wrong;
  }
}

}  // namespace
}  // namespace lowbit::io

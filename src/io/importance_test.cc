#include "io/importance.h"

#include <gtest/gtest.h>

#include "io/test_files.h"

namespace lowbit::io {
namespace {

using test::Bytes;

Result<Importance> read(const std::string& text) {
  return read_importance(Source::memory("matrix", test::bytes_of(text)));
}

TEST(Importance, gguf) {
  const std::string sums = Bytes().f32(2).f32(4).f32(9).f32(3).text(), counts = Bytes().f32(2).f32(3).text();
  const auto matrix = read(test::gguf_file({}, 0, {{"a.in_sum2", {2, 2}, 0, sums}, {"a.counts", {1, 2}, 0, counts}}));
  ASSERT_TRUE(matrix.ok()) << matrix.message();
  // The mean of 2/2, 4/2 and 9/3, 3/3.
  EXPECT_EQ(*matrix, (Importance{{"a", {2.0f, 1.5f}}}));
  EXPECT_FALSE(read(test::gguf_file({}, 0, {{"a.in_sum2", {2, 2}, 0, sums}})).ok());
  EXPECT_FALSE(read(test::gguf_file({}, 0, {{"a", {2, 2}, 0, sums}})).ok());
}

TEST(Importance, binary) {
  Bytes file;
  file.u32(2).u32(1).raw("a").u32(4).u32(2).f32(2).f32(8).u32(2).raw("bc").u32(1).u32(1).f32(3);
  const auto matrix = read(Bytes(file).u32(7).u32(1).raw("x").text());
  ASSERT_TRUE(matrix.ok()) << matrix.message();
  EXPECT_EQ(*matrix, (Importance{{"a", {0.5f, 2.0f}}, {"bc", {3.0f}}}));
  for (size_t length = 0; length < file.size(); ++length) EXPECT_FALSE(read(file.text().substr(0, length)).ok());
  EXPECT_FALSE(read(Bytes().u32(1).u32(1).raw("a").u32(1).u32(1).f32(-1).text()).ok());
  EXPECT_FALSE(read(Bytes().u32(1).u32(1).raw("a").u32(1).u32(0x7FFFFFFF).f32(1).text()).ok());
}

}  // namespace
}  // namespace lowbit::io

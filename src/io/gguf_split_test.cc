#include "io/gguf_split.h"

#include <gtest/gtest.h>

#include "io/test_files.h"

namespace lowbit::io {
namespace {

using test::Bytes;

std::string part(int number, int count, const std::string& tensor, float value) {
  Bytes kv;
  kv.str("split.no")
      .u32(2)
      .u16(static_cast<uint64_t>(number))
      .str("split.count")
      .u32(2)
      .u16(static_cast<uint64_t>(count));
  if (number == 0) kv.str("general.architecture").u32(8).str("none");
  return test::gguf_file(kv, number == 0 ? 3 : 2, {{tensor, {1}, 0, Bytes().f32(value).text()}});
}

TEST(GgufSplit, parts_are_joined) {
  const test::TemporaryFolder folder;
  const std::string first = folder / "m-00001-of-00002.gguf", second = folder / "m-00002-of-00002.gguf";
  EXPECT_EQ(split_paths(first), (std::vector<std::string>{first, second}));
  EXPECT_EQ(split_paths(second), (std::vector<std::string>{second}));
  // No part by its name: no number, none of none, a number beyond the count, more digits.
  for (const std::string name :
       {"m.gguf", "m-00001-of-00000.gguf", "m-00003-of-00002.gguf", "m-00001-of-000002.gguf"}) {
    EXPECT_EQ(split_paths(name), (std::vector<std::string>{name}));
    EXPECT_EQ(first_of_split(name), name);
  }
  EXPECT_EQ(first_of_split(second), first);
  EXPECT_EQ(first_of_split(first), first);
  test::write_file(first, part(0, 2, "a", 1.0f));
  const auto message = [&](const std::string& path) {
    const auto file = open_model(path);
    return file.ok() ? std::string("opened") : file.message();
  };
  EXPECT_NE(message(first).find("m-00002-of-00002.gguf"), std::string::npos) << message(first);
  test::write_file(second, part(1, 3, "b", 2.0f));
  EXPECT_NE(message(first).find("part 2 of 3, expected part 2 of 2"), std::string::npos) << message(first);
  test::write_file(second, part(1, 2, "a", 2.0f));
  EXPECT_NE(message(first).find("\"a\" stands in"), std::string::npos) << message(first);
  test::write_file(second, part(1, 2, "b", 2.0f));
  EXPECT_NE(message(second).find("part 2 of 2 of a model; open the first"), std::string::npos) << message(second);
  const auto file = open_model(first);
  ASSERT_TRUE(file.ok()) << file.message();
  ASSERT_EQ((*file)->tensors().size(), 2u);
  EXPECT_EQ((*file)->files(), (std::vector<std::string>{first, second}));
  EXPECT_EQ((*file)->find("b"), 1);
  EXPECT_EQ(tensor::dequantize((*file)->load(1).value()), std::vector<float>{2.0f});
  EXPECT_EQ((*file)->metadata().at("general.architecture"), "none");
  test::write_file(folder / "n.gguf", part(0, 2, "a", 1.0f));
  EXPECT_NE(message(folder / "n.gguf").find("-00001-of-00002.gguf"), std::string::npos);
}

}  // namespace
}  // namespace lowbit::io

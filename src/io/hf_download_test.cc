#include "io/hf_download.h"

#include <gtest/gtest.h>

#include "io/test_files.h"

namespace lowbit::io {
namespace {

TEST(HfHashes, in_both_forms) {
  const test::TemporaryFolder folder;
  test::write_file(folder / "a", "hello\n");
  EXPECT_EQ(*hash_like(folder / "a", std::string(40, '0')), "ce013625030ba8dba906f756967f9e9ca394464a");
  EXPECT_EQ(*hash_like(folder / "a", std::string(64, '0')),
            "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03");
}

}  // namespace
}  // namespace lowbit::io

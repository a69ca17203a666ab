#include "base/pages.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

namespace lowbit {
namespace {

TEST(Pages, AreZeroWritableAndAligned) {
  for (const uint64_t bytes :
       {uint64_t{0}, uint64_t{1}, uint64_t{4097}, kLargePage - 1, kLargePage, 3 * kLargePage + 5}) {
    auto pages = allocate_pages(bytes);
    ASSERT_TRUE(pages.ok()) << pages.message();
    std::byte* p = pages->get();
    EXPECT_EQ(reinterpret_cast<uintptr_t>(p) % (bytes < kLargePage ? 64 : kLargePage), 0u) << bytes;
    EXPECT_TRUE(std::all_of(p, p + bytes, [](std::byte b) { return b == std::byte{0}; })) << bytes;
    std::fill_n(p, bytes, std::byte{1});
  }
}

TEST(Pages, MoreThanThereIsIsAnError) {
  EXPECT_FALSE(allocate_pages(uint64_t{1} << 60).ok());
  EXPECT_FALSE(allocate_pages(std::numeric_limits<uint64_t>::max()).ok());
}

}  // namespace
}  // namespace lowbit

#include "base/rng.h"

#include <gtest/gtest.h>

namespace lowbit {
namespace {

using Words = std::array<uint32_t, 4>;

// The known answers that the authors publish with their library (Random123, kat_vectors).
TEST(Philox, KnownAnswers) {
  constexpr uint64_t kOnes = 0xFFFFFFFFFFFFFFFF;
  EXPECT_EQ(philox(0, 0, 0), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox(0x299f31d0a4093822, 0x0370734413198a2e, 0x85a308d3243f6a88),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
  EXPECT_EQ(philox<7>(0, 0, 0), (Words{0x5f6fb709, 0x0d893f64, 0x4f121f81, 0x4f730a48}));
  EXPECT_EQ(philox<7>(kOnes, kOnes, kOnes), (Words{0x5207ddc2, 0x45165e59, 0x4d8ee751, 0x8c52f662}));
  EXPECT_EQ(philox<7>(0x299f31d0a4093822, 0x0370734413198a2e, 0x85a308d3243f6a88),
            (Words{0x4dfccaba, 0x190a87f0, 0xc47362ba, 0xb6b5242a}));
}

}  // namespace
}  // namespace lowbit

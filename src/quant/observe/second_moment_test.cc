#include "quant/observe/second_moment.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "base/rng.h"

namespace lowbit::quant {
namespace {

std::vector<float> inputs(int64_t tokens, int64_t cols) {
  Rng rng(6);
  std::vector<float> x(static_cast<size_t>(tokens * cols));
  for (float& v : x) v = static_cast<float>(rng.normal());
  return x;
}

TEST(SecondMoment, IsOneChainOfFusedMultiplyAddsPerEntry) {
  const int64_t cols = 150, tokens = 37;
  const auto x = inputs(tokens, cols);
  ThreadPool threads(2);
  SecondMoment moment(cols);
  moment.add(x.data(), tokens, threads);
  const auto h = moment.matrix();
  for (int64_t i = 0; i < cols; ++i) {
    for (int64_t j = 0; j < cols; ++j) {
      float expected = 0;
      for (int64_t t = 0; t < tokens; ++t) {
        expected = std::fma(x[static_cast<size_t>(t * cols + i)], x[static_cast<size_t>(t * cols + j)], expected);
      }
      EXPECT_EQ(h[static_cast<size_t>(i * cols + j)], expected) << i << " " << j;
    }
    EXPECT_EQ(moment.diagonal()[static_cast<size_t>(i)], h[static_cast<size_t>(i * cols + i)]);
  }
}

TEST(SecondMoment, DoesNotDependOnChunksThreadsOrResuming) {
  const int64_t cols = 130, tokens = 41;
  const auto x = inputs(tokens, cols);
  ThreadPool one(1), two(2);
  SecondMoment whole(cols), pieces(cols);
  whole.add(x.data(), tokens, one);
  int64_t at = 0;
  for (const int64_t n : {1, 7, 0, 20, 13}) {
    auto resumed = SecondMoment::load(pieces.save());
    ASSERT_TRUE(resumed.ok()) << resumed.message();
    pieces = std::move(resumed).value();
    pieces.add(x.data() + at * cols, n, two);
    at += n;
  }
  ASSERT_EQ(at, tokens);
  EXPECT_EQ(pieces.tokens(), tokens);
  EXPECT_EQ(whole.matrix(), pieces.matrix());
  EXPECT_EQ(whole.save(), pieces.save());
}

TEST(SecondMoment, DamagedStateIsASentence) {
  ThreadPool threads(1);
  SecondMoment moment(5);
  auto bytes = moment.save();
  EXPECT_TRUE(SecondMoment::load(bytes).ok());
  for (const size_t cut : {size_t{0}, size_t{3}, size_t{16}, bytes.size() - 1}) {
    EXPECT_FALSE(SecondMoment::load(std::span(bytes).first(cut)).ok());
  }
  for (const int64_t cols : {int64_t{-1}, int64_t{0}, int64_t{6}, int64_t{1} << 40, INT64_MAX}) {
    std::memcpy(bytes.data(), &cols, 8);
    EXPECT_FALSE(SecondMoment::load(bytes).ok());
  }
}

}  // namespace
}  // namespace lowbit::quant

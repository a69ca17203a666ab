#include "tensor/copy_weights.h"

#include <gtest/gtest.h>

#include "base/pages.h"
#include "base/rng.h"

namespace lowbit::tensor {
namespace {

std::shared_ptr<const Weight> random_weight(const char* format, int64_t rows, int64_t cols, uint64_t seed) {
  Rng rng(seed);
  auto weight = std::make_shared<Weight>();
  weight->shape = {2 * rows, cols};
  for (int part = 0; part < 2; ++part) {
    weight->parts.push_back(PackedMatrix::allocate(formats::parse_format(format).value(), rows, cols).value());
    for (std::byte& b : weight->parts.back().writable()) b = static_cast<std::byte>(rng.below(256));
  }
  return weight;
}

TEST(CopyWeights, TheSameBytesInOnePlace) {
  ThreadPool pool(2);
  Weights weights;
  weights["a"] = random_weight("int3/32", 48, 96, 1);
  weights["b"] = random_weight("f32", 1, 7, 2);
  weights["c"] = random_weight("int8/64", 1024, 2048, 3);  // several pieces
  weights["tied"] = weights["a"];
  const Weights before = weights;
  const auto after = copy_weights(weights, pool);
  ASSERT_TRUE(after.ok()) << after.message();
  ASSERT_EQ(after->size(), before.size());
  const std::byte* least = after->at("a")->parts[0].bytes().data();
  for (const auto& [name, weight] : before) {
    const Weight& copy = *after->at(name);
    EXPECT_EQ(copy.shape, weight->shape);
    ASSERT_EQ(copy.parts.size(), 2u);
    for (size_t i = 0; i < 2; ++i) {
      const std::byte* at = copy.parts[i].bytes().data();
      EXPECT_TRUE(std::ranges::equal(copy.parts[i].bytes(), weight->parts[i].bytes())) << name;
      EXPECT_NE(at, weight->parts[i].bytes().data());
      EXPECT_EQ(reinterpret_cast<uintptr_t>(at) % 64, 0u);
      EXPECT_TRUE(at >= least && at < least + 8 * kLargePage) << name;
    }
  }
  EXPECT_EQ(after->at("a"), after->at("tied"));
}

TEST(CopyWeights, WhatNobodyElseHoldsIsFreed) {
  ThreadPool pool(1);
  Weights weights;
  weights["a"] = random_weight("int4/32", 16, 32, 1);
  const std::weak_ptr<const Weight> given = weights["a"];
  const auto after = copy_weights(std::move(weights), pool);
  EXPECT_TRUE(after.ok() && given.expired());
}

TEST(CopyWeights, NoneAtAll) {
  ThreadPool pool(1);
  EXPECT_TRUE(copy_weights({}, pool)->empty());
}

}  // namespace
}  // namespace lowbit::tensor

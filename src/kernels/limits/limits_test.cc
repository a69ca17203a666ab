#include "kernels/limits/limits.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/rng.h"
#include "kernels/test_data.h"

namespace lowbit::kernels {
namespace {

TEST(Limits, EveryWayOfReadingSeesEveryWordOnce) {
  Rng rng(1);
  std::vector<uint32_t> words(4 * 256 * 8 / 4);
  for (uint32_t& w : words) w = static_cast<uint32_t>(rng.below(1000));
  uint32_t expected = 0;
  for (const uint32_t w : words) expected += w;
  for (const Isa isa : offered_isas()) {
    for (const int streams : {1, 2, 4, 8}) {
      for (const int64_t prefetch : {0, 512}) {
        uint32_t sum = 1;
        read_sum(isa,
                 {reinterpret_cast<const uint8_t*>(words.data()), std::ssize(words) * 4, streams, prefetch, &sum});
        EXPECT_EQ(sum, expected) << isa_name(isa) << " " << streams;
      }
    }
  }
}

// Products of small numbers, so that float sums are exact.
TEST(Limits, ThePeaksComputeWhatTheySay) {
  Rng rng(2);
  std::vector<uint8_t> w(kPeakSteps * 64);
  std::vector<int8_t> x(16 * 64);
  std::vector<float> fw(kPeakSteps * 16), fx(16 * 16);
  for (uint8_t& v : w) v = static_cast<uint8_t>(rng.below(100));
  for (int8_t& v : x) v = static_cast<int8_t>(static_cast<int>(rng.below(200)) - 100);
  for (float& v : fw) v = static_cast<float>(rng.below(16));
  for (float& v : fx) v = static_cast<float>(rng.below(16)) - 8.0f;
  constexpr int64_t kRounds = 3;
  for (const Isa isa : offered_isas()) {
    std::vector<int32_t> sums(16);
    std::vector<float> floats(16);
    int64_t products = 0;
    peak_int8(isa, {kRounds, w.data(), x.data(), sums.data(), &products});
    EXPECT_EQ(products % (kRounds * kPeakSteps * 64), 0);
    EXPECT_GT(products, 0);
    peak_float(isa, {kRounds, fw.data(), fx.data(), floats.data(), &products});
    EXPECT_EQ(products % (kRounds * kPeakSteps * 16), 0);
    for (size_t lane = 0; lane < 16; ++lane) {
      int32_t sum = 0;
      float chain = 0;
      for (size_t step = 0; step < kPeakSteps; ++step) {
        chain += fw[step * 16 + lane] * fx[0];
        for (size_t i = 4 * lane; i < 4 * lane + 4; ++i) sum += w[step * 64 + i] * x[i];
      }
      EXPECT_EQ(sums[lane], kRounds * sum) << isa_name(isa);
      EXPECT_EQ(floats[lane], kRounds * chain) << isa_name(isa);
    }
  }
}

TEST(Limits, ProductsByTilesWhereTheyAre) {
  Rng rng(3);
  std::vector<uint8_t> w(kPeakSteps * 64);
  std::vector<int8_t> x(16 * 64);
  for (uint8_t& v : w) v = static_cast<uint8_t>(rng.below(100));
  for (int8_t& v : x) v = static_cast<int8_t>(static_cast<int>(rng.below(200)) - 100);
  constexpr int kRounds = 3;
  std::vector<int32_t> sums(16);
  int64_t products = 0;
  EXPECT_FALSE(peak_tiles(Isa::avx512, {}));
  if (!peak_tiles(detected_isa(), {kRounds, w.data(), x.data(), sums.data(), &products})) return;
  EXPECT_EQ(products, kRounds * kPeakSteps * 4 * 16 * 16 * 64);
  for (size_t lane = 0; lane < 16; ++lane) {
    int32_t sum = 0;
    for (size_t i = 0; i < 64; ++i) sum += w[i / 4 * 64 + 4 * lane + i % 4] * x[i];
    EXPECT_EQ(sums[lane], kRounds * kPeakSteps * sum);
  }
}

TEST(Limits, ProductsOfBfloatsWhereTheyAre) {
  // 1 and 2 as bfloat16.
  const std::vector<uint16_t> w(kPeakSteps * 32, 0x3F80), x(16 * 32, 0x4000);
  std::vector<float> out(16);
  int64_t products = 0;
  const bool done = peak_bf16(detected_isa(), {2, w.data(), x.data(), out.data(), &products});
  EXPECT_EQ(done, has_bf16_products(detected_isa()));
  EXPECT_FALSE(peak_bf16(Isa::portable, {}));
  if (done) EXPECT_EQ(out[7], 2.0f * kPeakSteps * 2 * 2);
}

}  // namespace
}  // namespace lowbit::kernels

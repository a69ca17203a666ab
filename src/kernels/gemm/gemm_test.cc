#include "kernels/gemm/gemm.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <vector>

#include "base/rng.h"

namespace lowbit::kernels {
namespace {

TEST(Gemm, EveryIsaGivesTheBitsOfTheOracle) {
  Rng rng(1);
  for (const auto [m, n, k] : {std::array{1, 1, 1},
                               {7, 33, 5},
                               {13, 16, 64},
                               {25, 48, 100},
                               {3, 15, 0},
                               {9, 150, 300},
                               {40, 17, 520},
                               {2, 40, 270}}) {
    std::vector<float> a(m * k + 1), b(k * n + 1), start(m * n);
    for (float& x : a) x = static_cast<float>(rng.normal());
    for (float& x : b) x = static_cast<float>(rng.normal());
    for (float& x : start) x = static_cast<float>(rng.normal());
    std::vector<float> expected = start;
    gemm_oracle({m, n, k, a.data(), k, 1, b.data(), n, expected.data(), n});
    for (const Isa isa : offered_isas()) {
      std::vector<float> got = start;
      gemm_chain(isa, m, n, k, a.data(), k, b.data(), n, got.data(), n);
      EXPECT_EQ(0, std::memcmp(got.data(), expected.data(), got.size() * 4)) << isa_name(isa) << " " << m << " " << n;
    }
    // A transposed in memory.
    std::vector<float> t(m * k + 1), got = start;
    for (int i = 0; i < m; ++i) {
      for (int p = 0; p < k; ++p) t[p * m + i] = a[i * k + p];
    }
    gemm(active_isa(), {m, n, k, t.data(), 1, m, b.data(), n, got.data(), n});
    EXPECT_EQ(0, std::memcmp(got.data(), expected.data(), got.size() * 4));
  }
}

}  // namespace
}  // namespace lowbit::kernels

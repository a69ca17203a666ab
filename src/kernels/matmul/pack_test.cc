// Activations in the order of tiles, against loops of single words.
#include <gtest/gtest.h>

#include "kernels/list.h"
#include "kernels/test_data.h"

namespace lowbit::kernels {
namespace {

TEST(Pack, InterleavesWordsOfRowsAndWritesNothingBeside) {
  for (const Isa isa : offered_isas()) {
    for (int64_t rows = 1; rows <= 10; ++rows) {
      for (int64_t count = 0; count <= 41; ++count) {
        const int64_t stride = count + 3;
        std::vector<int32_t> in(static_cast<size_t>(rows * stride - 3 + (count == 0 ? 3 : 0)));
        for (size_t i = 0; i < in.size(); ++i) in[i] = static_cast<int32_t>(i * 2654435761u);
        std::vector<int32_t> expected(static_cast<size_t>(rows * count) + 8, 77), out(expected.size(), 77);
        for (int64_t i = 0; i < count; ++i) {
          for (int64_t r = 0; r < rows; ++r)
            expected[static_cast<size_t>(i * rows + r)] = in[static_cast<size_t>(r * stride + i)];
        }
        k_interleave.at(isa)({in.data(), 4 * stride, rows, count, out.data()});
        EXPECT_EQ(out, expected) << isa_name(isa) << " " << rows << " rows of " << count;
      }
    }
  }
}

TEST(Pack, SumsOfTiles) {
  Rng rng(8);
  constexpr int64_t kFirst = 16, kUnits = 40;
  const DotStretch stretches[] = {
      {16, 20, 0, 0, true}, {20, 24, 0, 0, true}, {24, 25, 0, 0, true}, {25, 55, 0, 0, true}, {55, 56, 0, 0, true}};
  const auto count = static_cast<int64_t>(std::size(stretches));
  for (const Isa isa : offered_isas()) {
    for (int64_t tokens = 1; tokens <= 16; ++tokens) {
      std::vector<int8_t> codes(static_cast<size_t>(4 * tokens * kUnits));
      for (int8_t& c : codes) c = static_cast<int8_t>(rng.next_u64() % 4 == 0 ? -128 : rng.next_u64());
      std::vector<int32_t> expected(static_cast<size_t>(count * tokens)), sums(expected.size());
      for (int64_t s = 0; s < count; ++s) {
        for (int64_t u = stretches[s].begin_unit - kFirst; u < stretches[s].end_unit - kFirst; ++u) {
          for (int64_t i = 0; i < 4 * tokens; ++i)
            expected[static_cast<size_t>(s * tokens + i / 4)] += codes[static_cast<size_t>(4 * tokens * u + i)];
        }
      }
      k_tile_sums.at(isa)({stretches, count, kFirst, kUnits, tokens, codes.data(), sums.data()});
      EXPECT_EQ(sums, expected) << isa_name(isa) << ", " << tokens << " tokens";
    }
  }
}

}  // namespace
}  // namespace lowbit::kernels

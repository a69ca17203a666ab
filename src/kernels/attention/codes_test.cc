// The integer products of attention, on every ISA, against plain loops in the words of attention.h.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "kernels/attention/attention.h"
#include "kernels/test_data.h"

namespace lowbit::kernels {
namespace {

using test::first_difference;

constexpr float kUntouched = -777.0f;

// Codes of some blocks of a head as the cache has them, and their scales.
struct Store {
  int64_t blocks, tiles, group, groups;
  int bits;
  ScaleKind kind;
  std::vector<uint8_t> bytes;
  std::vector<uint16_t> words;
  std::vector<float> scales;

  Store(int64_t block_count, int64_t columns, int64_t of_group, int width, ScaleKind scale_kind, Rng& rng)
      : blocks(block_count),
        tiles((columns + 15) / 16),
        group(of_group),
        groups((columns + of_group - 1) / of_group),
        bits(width),
        kind(scale_kind),
        bytes(static_cast<size_t>(block_count * tiles * 32 * width)) {
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(rng.below(256));
    const formats::ElementFormat word = formats::parse_element(kind == ScaleKind::bf16 ? "bf16" : "f16").value();
    for (int64_t i = 0; i < blocks * groups * 16; ++i) {
      const double size = std::exp2(static_cast<double>(rng.below(12)) - 10.0) * (1.0 + rng.uniform());
      const auto scale = rng.below(20) == 0 ? 0.0f : static_cast<float>(size);
      words.push_back(static_cast<uint16_t>(formats::encode(word, scale)));
      scales.push_back(kind == ScaleKind::f32 ? scale : word.decode(words.back()));
    }
  }

  int number(int64_t block, int64_t tile, int64_t row, int64_t lane) const {
    const uint8_t* at = bytes.data() + (block * tiles + tile) * 32 * bits;
    if (bits == 8) return at[row / 4 * 64 + 4 * lane + row % 4] - 128;
    const uint8_t both = at[row / 8 * 64 + 4 * lane + row % 4];
    return (row % 8 < 4 ? both & 15 : both >> 4) - 8;
  }
  float scale(int64_t block, int64_t of_group, int64_t position) const {
    return scales[static_cast<size_t>((block * groups + of_group) * 16 + position)];
  }
  TilesArgs args(bool keys, int64_t first_tile, int64_t count) const {
    const void* entries = kind == ScaleKind::f32 ? static_cast<const void*>(scales.data()) : words.data();
    return {blocks,  first_tile, count,           tiles, keys,    bits,  bytes.data() + first_tile * 32 * bits,
            nullptr, nullptr,    ScaleKind::none, kind,  entries, group, groups,
            nullptr};
  }
  std::string name() const { return fmt::format("{} bits, {} tiles, group {}", bits, tiles, group); }
};

// Stores of every width, kind of scale and group.
std::vector<Store> stores(int64_t blocks, Rng& rng) {
  std::vector<Store> out;
  for (const int bits : {4, 8}) {
    for (const ScaleKind kind : {ScaleKind::f16, ScaleKind::bf16, ScaleKind::f32}) {
      for (const auto& [columns, group] : {std::pair<int64_t, int64_t>{20, 20}, {64, 16}, {80, 32}, {128, 48}}) {
        out.emplace_back(blocks, columns, group, bits, kind, rng);
      }
    }
  }
  return out;
}

template <class Code>
std::vector<Code> random_codes(int64_t count, int least, int most, Rng& rng) {
  std::vector<Code> out(static_cast<size_t>(count));
  for (Code& code : out)
    code = static_cast<Code>(least + static_cast<int>(rng.below(static_cast<uint64_t>(most - least + 1))));
  return out;
}

std::vector<float> positive(int64_t count, Rng& rng) {
  std::vector<float> out(static_cast<size_t>(count));
  for (float& x : out) x = static_cast<float>(rng.uniform());
  return out;
}

TEST(AttentionCodes, ScoresAreChainsOverExactSums) {
  Rng rng(31);
  constexpr int64_t kPitch = 14;
  for (const int64_t blocks : {1, 3, 8}) {
    for (const Store& s : stores(blocks, rng)) {
      const auto q = random_codes<int8_t>(s.tiles * kPitch * 16, -127, 127, rng);
      const std::vector<float> scales = positive(s.groups * kPitch, rng);
      const int64_t width = s.groups == 1 ? s.tiles * 16 : s.group;
      std::vector<int32_t> starts(scales.size());
      std::vector<float> expected(static_cast<size_t>(blocks * kPitch * 16), kUntouched);
      const int64_t rows = 1 + static_cast<int64_t>(rng.below(13));
      const auto code = [&](int64_t r, int64_t d) {
        return q[static_cast<size_t>((d / 16 * kPitch + r) * 16 + d % 16)];
      };
      for (int64_t r = 0; r < rows; ++r) {
        for (int64_t g = 0; g < s.groups; ++g) {
          int32_t& start = starts[static_cast<size_t>(g * kPitch + r)];
          for (int64_t d = g * width; d < std::min(s.tiles * 16, (g + 1) * width); ++d) start -= code(r, d);
          start *= 1 << (s.bits - 1);
        }
        for (int64_t j = 0; j < blocks * 16; ++j) {
          float acc = 0.0f;
          for (int64_t g = 0; g < s.groups; ++g) {
            int32_t sum = 0;
            for (int64_t d = g * width; d < std::min(s.tiles * 16, (g + 1) * width); ++d) {
              sum += code(r, d) * s.number(j / 16, d / 16, d % 16, j % 16);
            }
            acc = std::fma(static_cast<float>(sum),
                           s.scale(j / 16, g, j % 16) * scales[static_cast<size_t>(g * kPitch + r)], acc);
          }
          expected[static_cast<size_t>((j / 16 * kPitch + r) * 16 + j % 16)] = acc;
        }
      }
      for (const Isa isa : offered_isas()) {
        std::vector<float> got(expected.size(), kUntouched);
        code_scores(isa,
                    {rows, kPitch, s.args(true, 0, s.tiles), q.data(), scales.data(), starts.data(), got.data()});
        ASSERT_EQ(first_difference(got, expected), -1) << isa_name(isa) << ", " << s.name() << ", rows " << rows;
      }
    }
  }
}

// What each of some rows sees of the weights, which begin at position 64.
struct SeenWeights {
  static constexpr int64_t kPitch = 9, kRows = 7, kOrigin = 64;
  std::vector<float> weights;
  std::vector<int64_t> first, end;

  SeenWeights(int64_t blocks, Rng& rng) : weights(static_cast<size_t>(blocks * kPitch * 16)) {
    const bool tiny = rng.below(4) == 0;
    for (float& w : weights) {
      w = rng.below(12) == 0 ? NAN : static_cast<float>(std::exp(-12.0 * rng.uniform() * rng.uniform()));
      if (rng.below(30) == 0) w = 0.0f;
      if (tiny) w *= 0x1p-120f;
    }
    for (int64_t r = 0; r < kRows; ++r) {
      const int64_t all = blocks * 16;
      first.push_back(r < 3 ? 0 : kOrigin + static_cast<int64_t>(rng.below(static_cast<uint64_t>(all))));
      end.push_back(kOrigin + (r == 0 ? all : static_cast<int64_t>(rng.below(static_cast<uint64_t>(all)))));
    }
  }
  // Weights of row r in chunk c that it sees: [position in the chunk], 0 elsewhere.
  bool sees(int64_t r, int64_t position) const {
    const auto row = static_cast<size_t>(r);
    return kOrigin + position >= first[row] && kOrigin + position < end[row];
  }
  float at(int64_t r, int64_t position) const {
    return weights[static_cast<size_t>((position / 16 * kPitch + r) * 16 + position % 16)];
  }
};

// Positions where chunks begin, and the end of the last one.
std::vector<int64_t> chunk_bounds(int64_t blocks, bool from_start) {
  std::vector<int64_t> out = {0};
  if (from_start && blocks > 1) out.push_back(16);
  for (int64_t b = 4; b < blocks; b += 4) out.push_back(16 * b);
  out.push_back(16 * blocks);
  return out;
}

// Codes and scale of one row and chunk, positions [begin, end), in the words of attention.h.
void expected_codes(const SeenWeights& w, const Store& s, int64_t row, int64_t begin, int64_t end, int64_t group,
                    uint8_t* codes, float& scale) {
  float p = 0x1p-100f, m = 0.0f;
  for (int64_t j = begin; j < end; ++j) {
    if (!w.sees(row, j)) continue;
    if (w.at(row, j) > p) p = w.at(row, j);
    m = std::max(m, s.scale(j / 16, group, j % 16));
  }
  scale = p * (1.0f / 255.0f) * m;
  for (int64_t j = begin; j < end; ++j) {
    const float x = w.at(row, j) * (255.0f / p) * (s.scale(j / 16, group, j % 16) * (1.0f / m));
    codes[j - begin] = w.sees(row, j) && x > 0.0f ? static_cast<uint8_t>(std::nearbyint(x)) : uint8_t{0};
  }
}

struct Ratios {
  std::vector<float> ratios, greatest;

  Ratios(Isa isa, const TilesArgs& values, bool from_start, int64_t first, int64_t groups) {
    const size_t entries = chunk_bounds(values.blocks, from_start).size() * static_cast<size_t>(groups);
    ratios.resize(entries * kChunkPositions);
    greatest.resize(entries);
    value_ratios(isa, {values, from_start, first, groups, ratios.data(), greatest.data()});
  }
};

TEST(AttentionCodes, WeightsTimesScalesBecomeCodes) {
  Rng rng(32);
  for (const int64_t blocks : {1, 2, 5, 8}) {
    for (const Store& s : stores(blocks, rng)) {
      SeenWeights w(blocks, rng);
      // NaN leaves the greatest weight open: such a row is NaN whatever its codes are.
      for (float& x : w.weights) x = x == x ? x : 0.5f;
      constexpr int64_t kRows = SeenWeights::kRows;
      const bool from_start = rng.below(2) == 0;
      const std::vector<int64_t> bounds = chunk_bounds(blocks, from_start);
      const int64_t chunks = std::ssize(bounds) - 1,
                    first = static_cast<int64_t>(rng.below(static_cast<uint64_t>(s.groups)));
      const int64_t groups = s.groups - first;
      std::vector<uint8_t> expected(static_cast<size_t>(groups * chunks * kRows * kChunkPositions), 0);
      std::vector<float> scales(static_cast<size_t>(groups * chunks * kRows));
      for (int64_t i = 0; i < groups * chunks * kRows; ++i) {
        const auto chunk = static_cast<size_t>(i / kRows % chunks);
        expected_codes(w, s, i % kRows, bounds[chunk], bounds[chunk + 1], first + i / kRows / chunks,
                       expected.data() + i * kChunkPositions, scales[static_cast<size_t>(i)]);
      }
      for (const Isa isa : offered_isas()) {
        std::vector<uint8_t> got(expected.size(), 99);
        std::vector<float> got_scales(scales.size(), kUntouched);
        const Ratios ratios(isa, s.args(false, 0, s.tiles), from_start, first, groups);
        weight_codes(isa, {kRows, SeenWeights::kPitch, w.weights.data(), w.first.data(), w.end.data(),
                           SeenWeights::kOrigin, s.args(false, 0, s.tiles), from_start, first, groups,
                           ratios.ratios.data(), ratios.greatest.data(), got.data(), got_scales.data()});
        ASSERT_EQ(got, expected) << isa_name(isa) << ", " << s.name() << ", blocks " << blocks << from_start;
        ASSERT_EQ(first_difference(got_scales, scales), -1) << isa_name(isa) << ", " << s.name();
      }
    }
  }
}

TEST(AttentionCodes, OfNaNIsZero) {
  Rng rng(33);
  const Store s(2, 64, 32, 8, ScaleKind::f16, rng);
  const SeenWeights w(2, rng);
  for (const Isa isa : offered_isas()) {
    // [group][row][64]
    std::vector<uint8_t> codes(static_cast<size_t>(2 * SeenWeights::kRows * kChunkPositions), 99);
    std::vector<float> scales(2 * SeenWeights::kRows);
    const Ratios ratios(isa, s.args(false, 0, 4), false, 0, 2);
    weight_codes(isa, {SeenWeights::kRows, SeenWeights::kPitch, w.weights.data(), w.first.data(), w.end.data(),
                       SeenWeights::kOrigin, s.args(false, 0, 4), false, 0, 2, ratios.ratios.data(),
                       ratios.greatest.data(), codes.data(), scales.data()});
    int found = 0;
    for (int64_t i = 0; i < std::ssize(codes); ++i) {
      const int64_t position = i % kChunkPositions, row = i / kChunkPositions % SeenWeights::kRows;
      if (!w.sees(row, position) || w.at(row, position) == w.at(row, position)) continue;
      EXPECT_EQ(codes[static_cast<size_t>(i)], 0) << isa_name(isa);
      ++found;
    }
    EXPECT_GE(found, 5);
  }
}

TEST(AttentionCodes, OutputsAreChainsOverChunks) {
  Rng rng(34);
  constexpr int64_t kPitch = 15;
  for (const int64_t blocks : {1, 2, 7, 8}) {
    for (const Store& s : stores(blocks, rng)) {
      const bool from_start = rng.below(2) == 0;
      const std::vector<int64_t> bounds = chunk_bounds(blocks, from_start);
      const int64_t width = s.groups == 1 ? s.tiles * 16 : s.group, chunks = std::ssize(bounds) - 1;
      const int64_t first = static_cast<int64_t>(rng.below(static_cast<uint64_t>(s.tiles)));
      const int64_t tiles = 1 + static_cast<int64_t>(rng.below(static_cast<uint64_t>(s.tiles - first)));
      const int64_t rows = 1 + static_cast<int64_t>(rng.below(13)), of_first = first * 16 / width;
      const int64_t groups = (first + tiles - 1) * 16 / width - of_first + 1;
      const auto codes = random_codes<uint8_t>(groups * chunks * rows * kChunkPositions, 0, 255, rng);
      const std::vector<float> scales = positive(groups * chunks * rows, rng),
                               start = test::normals(s.tiles * kPitch * 16, rng);
      for (const bool fresh : {false, true}) {
        std::vector<float> expected = start;
        for (int64_t i = 0; i < tiles * rows * 16; ++i) {
          const int64_t tile = i / 16 / rows, row = i / 16 % rows, lane = i % 16;
          const int64_t group = (first + tile) * 16 / width - of_first;
          float& acc = expected[static_cast<size_t>((tile * kPitch + row) * 16 + lane)];
          if (fresh) acc = 0.0f;
          for (int64_t c = 0; c < chunks; ++c) {
            const int64_t entry = (group * chunks + c) * rows + row;
            int32_t sum = 0;
            for (int64_t j = bounds[static_cast<size_t>(c)]; j < bounds[static_cast<size_t>(c) + 1]; ++j) {
              sum += codes[static_cast<size_t>(entry * kChunkPositions + j - bounds[static_cast<size_t>(c)])] *
                     s.number(j / 16, first + tile, j % 16, lane);
            }
            acc = std::fma(static_cast<float>(sum), scales[static_cast<size_t>(entry)], acc);
          }
        }
        for (const Isa isa : offered_isas()) {
          std::vector<float> got = start;
          code_mix(isa, {rows, kPitch, s.args(false, first, tiles), from_start, codes.data(), scales.data(),
                         got.data(), fresh});
          ASSERT_EQ(first_difference(got, expected), -1) << isa_name(isa) << ", " << s.name() << ", rows " << rows;
        }
      }
    }
  }
}

}  // namespace
}  // namespace lowbit::kernels

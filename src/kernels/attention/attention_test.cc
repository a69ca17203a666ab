// The parts of attention, on every ISA, against plain loops in the words of args.h and attention.h.
#include "kernels/attention/attention.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <optional>

#include "arith/functions.h"
#include "kernels/test_data.h"

namespace lowbit::kernels {
namespace {

using test::first_difference;
using test::normals;

constexpr float kUntouched = -777.0f;

// Codes of a number of blocks with their scales.
struct Codes {
  int64_t blocks, tiles, group, groups;
  int bits;
  std::vector<uint8_t> codes;
  std::vector<uint16_t> words;
  std::vector<float> scales;

  uint8_t code(int64_t block, int64_t tile, int64_t row, int64_t lane) const {
    const uint8_t* at = codes.data() + (block * tiles + tile) * 32 * bits;
    if (bits == 8) return at[row / 4 * 64 + 4 * lane + row % 4];
    const uint8_t both = at[row / 8 * 64 + 4 * lane + row % 4];
    return row % 8 < 4 ? both & 15 : both >> 4;
  }
};

Codes random_codes(int bits, int64_t tiles, int64_t group, ScaleKind kind, Rng& rng) {
  Codes c{3, tiles, group, (tiles * 16 - 3 + group - 1) / group, bits, {}, {}, {}};
  c.codes.resize(static_cast<size_t>(c.blocks * tiles * 32 * bits));
  for (uint8_t& code : c.codes) code = static_cast<uint8_t>(rng.below(256));
  const formats::ElementFormat word = formats::parse_element(kind == ScaleKind::bf16 ? "bf16" : "f16").value();
  for (int64_t i = 0; i < c.blocks * c.groups * 16; ++i) {
    const double size = std::exp2(static_cast<double>(rng.below(24)) - 20.0) * (1.0 + rng.uniform());
    const auto scale = static_cast<float>(size);
    c.words.push_back(static_cast<uint16_t>(formats::encode(word, scale)));
    c.scales.push_back(kind == ScaleKind::f32 ? scale : word.decode(c.words.back()));
  }
  return c;
}

std::vector<float> widened(const Codes& c, bool keys, const float* table, ScaleKind kind, int64_t first,
                           int64_t tiles) {
  std::vector<float> out;
  for (int64_t block = 0; block < c.blocks; ++block) {
    for (int64_t i = 0; i < tiles * 256; ++i) {
      const int64_t tile = first + i / 256, row = i / 16 % 16, lane = i % 16;
      const uint8_t code = c.code(block, tile, row, lane);
      const float value = table != nullptr ? table[code] : static_cast<float>(code - (1 << (c.bits - 1)));
      const int64_t col = tile * 16 + (keys ? row : lane), position = keys ? lane : row;
      const int64_t group = std::min(col / c.group, c.groups - 1);
      const float scale = c.scales[static_cast<size_t>((block * c.groups + group) * 16 + position)];
      out.push_back(kind == ScaleKind::none ? value : value * scale);
    }
  }
  return out;
}

// Numbers whose lower 16 bits are 0, among them NaN and infinities, and their upper bytes as TilesArgs has them.
struct UpperTable {
  std::vector<float> values;
  std::vector<uint8_t> bytes = std::vector<uint8_t>(512);

  explicit UpperTable(Rng& rng) {
    for (size_t code = 0; code < 256; ++code) {
      const uint32_t word = code == 7 ? 0x7fc0 : code == 135 ? 0xff80 : static_cast<uint32_t>(rng.below(0x7f00)) << 1;
      values.push_back(std::bit_cast<float>(word << 16));
      bytes[code] = static_cast<uint8_t>(word);
      bytes[256 + code] = static_cast<uint8_t>(word >> 8);
    }
  }
};

// Some tiles of codes as arguments. A table of upper bytes stands beside one of values.
TilesArgs tiles_of(const Codes& c, bool keys, const float* table, const uint8_t* upper, ScaleKind kind, int64_t first,
                   int64_t tiles, float* y) {
  const void* scales = kind == ScaleKind::f32 ? static_cast<const void*>(c.scales.data()) : c.words.data();
  return {c.blocks, first, tiles,           c.tiles, keys,   c.bits,  c.codes.data() + first * 32 * c.bits,
          table,    upper, ScaleKind::none, kind,    scales, c.group, c.groups,
          y};
}

TEST(AttentionKernels, CodesOfEveryKindBecomeTheirValues) {
  Rng rng(1);
  const std::vector<float> table = normals(256, rng);
  const UpperTable upper(rng);
  for (const ScaleKind kind : {ScaleKind::none, ScaleKind::f16, ScaleKind::bf16, ScaleKind::f32}) {
    for (const int bits : {4, 8}) {
      for (const int64_t group : {1, 4, 10, 16, 32, 48, 80}) {
        const Codes c = random_codes(bits, 5, group, kind, rng);
        for (const auto [first, tiles] : {std::pair<int64_t, int64_t>{0, 5}, {1, 3}, {4, 1}}) {
          for (const float* values : {static_cast<const float*>(nullptr), table.data(), upper.values.data()}) {
            const uint8_t* bytes = bits == 8 && values == upper.values.data() ? upper.bytes.data() : nullptr;
            for (const bool keys : {false, true}) {
              const std::vector<float> expected = widened(c, keys, values, kind, first, tiles);
              for (const Isa isa : offered_isas()) {
                std::vector<float> y(expected.size(), kUntouched);
                widen_tiles(isa, tiles_of(c, keys, values, bytes, kind, first, tiles, y.data()));
                ASSERT_EQ(first_difference(y, expected), -1)
                    << isa_name(isa) << ", " << bits << " bits, group " << group << ", scales "
                    << static_cast<int>(kind) << ", keys " << keys << ", table " << (values != nullptr)
                    << ", upper bytes " << (bytes != nullptr);
              }
            }
          }
        }
      }
    }
  }
}

TEST(AttentionKernels, WordsBecomeTheirValues) {
  Rng rng(4);
  constexpr int64_t kBlocks = 2, kPitch = 3;
  std::vector<uint16_t> words(kBlocks * kPitch * 256);
  for (uint16_t& word : words) word = static_cast<uint16_t>(rng.below(65536));
  for (const ScaleKind kind : {ScaleKind::f16, ScaleKind::bf16}) {
    const formats::ElementFormat element = formats::parse_element(kind == ScaleKind::bf16 ? "bf16" : "f16").value();
    std::vector<float> expected;
    for (int64_t i = 0; i < kBlocks * 2 * 256; ++i) {
      expected.push_back(element.decode(words[static_cast<size_t>((i / 512 * kPitch + 1) * 256 + i % 512)]));
    }
    for (const Isa isa : offered_isas()) {
      std::vector<float> y(expected.size(), kUntouched);
      widen_tiles(isa, {kBlocks, 1, 2, kPitch, true, 16, reinterpret_cast<const uint8_t*>(words.data() + 256),
                        nullptr, nullptr, kind, ScaleKind::none, nullptr, 1, 0, y.data()});
      EXPECT_EQ(first_difference(y, expected), -1) << isa_name(isa) << ", " << static_cast<int>(kind);
    }
  }
}

TEST(AttentionKernels, ProductsAreOneChainPerOutput) {
  Rng rng(2);
  constexpr int64_t kPitch = 29, kBlocks = 5;
  const std::vector<float> a = normals(kBlocks * kPitch * 16, rng), b = normals(kBlocks * 6 * 256, rng);
  const std::vector<float> start = normals(6 * kPitch * 16, rng);
  for (int64_t rows = 1; rows <= kPitch; ++rows) {
    for (const int64_t panels_wanted : {1, 2, 3, 4, 6}) {
      const int64_t begin = static_cast<int64_t>(rng.below(40)), end = begin + static_cast<int64_t>(rng.below(40));
      for (const bool fresh : {false, true}) {
        std::vector<float> expected = start;
        for (int64_t i = 0; i < panels_wanted * rows * 16; ++i) {
          const int64_t j = i / 16 / rows, r = i / 16 % rows, lane = i % 16;
          float& acc = expected[static_cast<size_t>((j * kPitch + r) * 16 + lane)];
          if (fresh) acc = 0.0f;
          for (int64_t p = begin; p < end; ++p) {
            acc = std::fma(a[static_cast<size_t>((p / 16 * kPitch + r) * 16 + p % 16)],
                           b[static_cast<size_t>(p / 16 * 6 * 256 + j * 256 + p % 16 * 16 + lane)], acc);
          }
        }
        for (const Isa isa : offered_isas()) {
          std::vector<float> c = start;
          panels(isa, {rows, panels_wanted, begin, end, kPitch, a.data(), b.data(), 6 * 256, 256, c.data(), fresh,
                       nullptr});
          ASSERT_EQ(first_difference(c, expected), -1)
              << isa_name(isa) << ", " << rows << " rows, " << panels_wanted << " panels, " << begin << " to " << end;
        }
      }
    }
  }
}

// Products with codes are those with their values, whatever the kind, for rows and panels of every number, and where
// the reduction begins and ends.
struct ProductsOfCodes {
  static constexpr int64_t kPitch = 11;
  const TilesArgs& tiles;

  void expect_those_of_values(int64_t rows, Rng& rng, const std::string& what) const {
    const int64_t panels_wanted = tiles.keys ? tiles.blocks : tiles.tiles;
    const int64_t steps = tiles.keys ? tiles.tiles : tiles.blocks, block = tiles.tiles * 256;
    const std::vector<float> a = normals(steps * kPitch * 16, rng), start = normals(panels_wanted * kPitch * 16, rng);
    const int64_t begin = static_cast<int64_t>(rng.below(20)), end = begin + static_cast<int64_t>(rng.below(28));
    std::vector<float> values(static_cast<size_t>(tiles.blocks * block));
    TilesArgs wide = tiles;
    wide.y = values.data();
    widen_tiles(Isa::portable, wide);
    PanelsArgs g{rows,
                 panels_wanted,
                 begin,
                 end,
                 kPitch,
                 a.data(),
                 values.data(),
                 tiles.keys ? 256 : block,
                 tiles.keys ? block : 256,
                 nullptr,
                 rng.below(2) == 0,
                 nullptr};
    std::vector<float> expected = start;
    g.c = expected.data();
    panels(Isa::portable, g);
    for (const Isa isa : offered_isas()) {
      std::vector<float> got = start, scratch(values.size());
      TilesArgs codes = tiles;
      codes.y = scratch.data();
      g.b = nullptr;
      g.c = got.data();
      g.codes = &codes;
      panels(isa, g);
      ASSERT_EQ(first_difference(got, expected), -1)
          << isa_name(isa) << ", " << what << ", " << rows << " rows, " << begin << " to " << end;
    }
  }
};

TEST(AttentionKernels, ProductsTakeCodesAsTheirValues) {
  Rng rng(5);
  const std::vector<float> table = normals(256, rng);
  const UpperTable upper(rng);
  for (const ScaleKind kind : {ScaleKind::none, ScaleKind::f16, ScaleKind::bf16, ScaleKind::f32}) {
    for (const int bits : {4, 8}) {
      for (const int64_t group : {10, 16, 32, 80}) {
        const Codes c = random_codes(bits, 5, group, kind, rng);
        for (const auto [first, tiles] : {std::pair<int64_t, int64_t>{0, 5}, {1, 4}, {2, 3}}) {
          for (const float* values : {static_cast<const float*>(nullptr), table.data(), upper.values.data()}) {
            const uint8_t* bytes = bits == 8 && values == upper.values.data() ? upper.bytes.data() : nullptr;
            for (const bool keys : {false, true}) {
              const TilesArgs args = tiles_of(c, keys, values, bytes, kind, first, tiles, nullptr);
              for (int64_t rows = 1; rows <= ProductsOfCodes::kPitch; ++rows) {
                ProductsOfCodes{args}.expect_those_of_values(
                    rows, rng,
                    fmt::format("{} bits, group {}, scales {}, keys {}", bits, group, static_cast<int>(kind), keys));
              }
            }
          }
        }
      }
    }
  }
}

TEST(AttentionKernels, ProductsTakeWordsAsTheirValues) {
  Rng rng(6);
  std::vector<uint16_t> words(3 * 5 * 256);
  for (uint16_t& word : words) word = static_cast<uint16_t>(rng.below(0x7b00) + rng.below(2) * 0x8000);
  for (const ScaleKind kind : {ScaleKind::f16, ScaleKind::bf16}) {
    for (const bool keys : {false, true}) {
      const TilesArgs args{3,
                           1,
                           4,
                           5,
                           keys,
                           16,
                           reinterpret_cast<const uint8_t*>(words.data() + 256),
                           nullptr,
                           nullptr,
                           kind,
                           ScaleKind::none,
                           nullptr,
                           1,
                           0,
                           nullptr};
      for (int64_t rows = 1; rows <= ProductsOfCodes::kPitch; ++rows) {
        ProductsOfCodes{args}.expect_those_of_values(rows, rng,
                                                     fmt::format("words {}, keys {}", static_cast<int>(kind), keys));
      }
    }
  }
}

// The weight of a score that was `raw` and is `shaped`; `waits`: its scale, where none of that was done first.
float weight_of(float raw, float shaped, float greatest, bool coarse, std::optional<float> waits) {
  if (!coarse) return arith::exp(shaped - greatest);
  const float unit = waits.value_or(1.0f) * arith::kLog2E;
  return arith::coarse_exp2(std::fma(waits ? raw : shaped, unit, -(greatest * arith::kLog2E)));
}

// Both passes over a row of 6 blocks, in one part or block by block; what a row does not see holds anything.
TEST(AttentionKernels, TwoPassesAreTheSoftmaxOfWhatIsSeen) {
  Rng rng(3);
  constexpr int64_t kRows = 3, kPitch = 5, kBlocks = 6, kOrigin = 32;
  for (int round = 0; round < 60; ++round) {
    std::vector<float> scores = normals(kBlocks * kPitch * 16, rng);
    for (float& v : scores) v *= rng.below(3) == 0 ? 100.0f : rng.below(9) == 0 ? NAN : 2.0f;
    const float cap = round % 2 == 0 ? 0.0f : 7.0f, scale = round % 3 == 0 ? -0.3f : 0.3f;
    const bool coarse = round % 5 > 2;
    const auto waits = cap > 0.0f || scale < 0.0f ? std::nullopt : std::optional(scale);
    std::vector<int64_t> first, end;
    for (int64_t r = 0; r < kRows; ++r) {
      first.push_back(static_cast<int64_t>(rng.below(100)));
      end.push_back(std::max<int64_t>(first.back(), kOrigin) + 1 + static_cast<int64_t>(rng.below(60)));
    }
    std::vector<float> weights = scores, maxima(kRows * 16, -INFINITY), sums(kRows * 16, 0.0f), greatest(kRows);
    for (int64_t r = 0; r < kRows; ++r) {
      const int64_t from = std::max<int64_t>(0, first[r] - kOrigin), to = std::min(end[r] - kOrigin, kBlocks * 16);
      const auto at = [&](int64_t j) { return static_cast<size_t>((j / 16 * kPitch + r) * 16 + j % 16); };
      for (int64_t j = from; j < to; ++j) {
        float& s = weights[at(j)];
        const float raw = s;
        s *= scale;
        if (cap > 0.0f) s = arith::softcap(s, cap);
        greatest[static_cast<size_t>(r)] = j == from ? s : std::fmax(greatest[static_cast<size_t>(r)], s);
        float& most = maxima[static_cast<size_t>(r * 16 + j % 16)];
        most = std::fmax(most, waits ? raw : s);
      }
      for (int64_t j = 0; j < (to + 15) / 16 * 16; ++j) {
        float& s = weights[at(j)];
        const bool seen = j >= from && j < to;
        s = seen ? weight_of(scores[at(j)], s, greatest[static_cast<size_t>(r)], coarse, waits) : 0.0f;
        sums[static_cast<size_t>(r * 16 + j % 16)] += s;
      }
    }
    for (const Isa isa : offered_isas()) {
      for (const int64_t part : {int64_t{1}, int64_t{4}, kBlocks}) {
        std::vector<float> got = scores, got_maxima(kRows * 16, -INFINITY), got_sums(kRows * 16, 0.0f);
        ScoresArgs g{kRows,      kPitch, 0,   0,      nullptr,         first.data(),
                     end.data(), scale,  cap, coarse, greatest.data(), nullptr};
        for (const bool second : {false, true}) {
          g.lanes = second ? got_sums.data() : got_maxima.data();
          for (int64_t block = 0; block < kBlocks; block += part) {
            g.blocks = std::min(part, kBlocks - block);
            g.origin = kOrigin + block * 16;
            g.scores = got.data() + block * kPitch * 16;
            second ? score_weights(isa, g) : score_maxima(isa, g);
          }
        }
        EXPECT_EQ(first_difference(got_maxima, maxima), -1) << isa_name(isa) << ", round " << round;
        EXPECT_EQ(first_difference(got_sums, sums), -1) << isa_name(isa) << ", round " << round;
        for (int64_t r = 0; r < kRows; ++r) {
          for (int64_t j = 0; j < std::min(end[r] - kOrigin, kBlocks * 16); ++j) {
            const auto at = static_cast<size_t>((j / 16 * kPitch + r) * 16 + j % 16);
            ASSERT_TRUE(test::same_bits(got[at], weights[at])) << isa_name(isa) << ", row " << r << ", column " << j;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace lowbit::kernels

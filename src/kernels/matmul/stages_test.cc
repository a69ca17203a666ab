// The stages of a matrix product by themselves: planes and lookups over all codes, dot products over all operands.
#include <gtest/gtest.h>

#include "kernels/list.h"
#include "kernels/matmul/plan.h"
#include "kernels/test_data.h"
#include "tensor/codes_block.h"

namespace lowbit::kernels {

namespace {

// The code of one byte place in a step of 8 units, by the words of tensor/packed.h: planes of 4, 2 and 1 bits, high
// bits first (8 bits: one of 8), unit u in field u % (8 / width) of vector u / (8 / width).
uint32_t code_at(const uint8_t* step, int bits, int unit, int place) {
  uint32_t code = 0;
  for (const int width : {8, 4, 2, 1}) {
    if ((bits & width) == 0) continue;
    const int fields = 8 / width;
    const uint32_t byte = step[64 * (unit / fields) + place];
    code = code << width | (byte >> (unit % fields * width) & ((1u << width) - 1));
    step += 64 * width;
  }
  return code;
}

// Every pair of neighbouring bytes occurs in every plane: shifts of 16-bit words must not leak.
TEST(Unpack, EveryPairOfBytesForEveryWidth) {
  for (int bits = 1; bits <= 8; ++bits) {
    const int64_t steps = 65536 * 2 / 64 + 1;
    std::vector<uint8_t> packed(static_cast<size_t>(steps * 64 * bits));
    for (int64_t step = 0; step < steps; ++step) {
      for (int64_t i = 0; i < 32 * bits; ++i) {
        const auto word = static_cast<uint16_t>(step * 32 + i % 32 + i / 32 * 4099);
        packed[static_cast<size_t>(step * 64 * bits + 2 * i)] = static_cast<uint8_t>(word);
        packed[static_cast<size_t>(step * 64 * bits + 2 * i + 1)] = static_cast<uint8_t>(word >> 8);
      }
    }
    for (const uint8_t flip : {uint8_t{0}, static_cast<uint8_t>(1 << (bits - 1))}) {
      std::vector<uint8_t> expected(static_cast<size_t>(steps * 512));
      for (size_t i = 0; i < expected.size(); ++i) {
        const uint8_t* step = packed.data() + i / 512 * 64 * static_cast<size_t>(bits);
        const int unit = static_cast<int>(i % 512 / 64), place = static_cast<int>(i % 64);
        expected[i] = static_cast<uint8_t>(code_at(step, bits, unit, place) ^ flip);
      }
      for (const Isa isa : offered_isas()) {
        std::vector<uint8_t> panel(expected.size());
        k_unpack.at(isa)({packed.data(), 0, steps, bits, CodeMap::exclusive_or, flip, nullptr, panel.data()});
        EXPECT_EQ(panel, expected) << isa_name(isa) << ", " << bits << " bits";
      }
    }
  }
}

TEST(Unpack, EveryCodeThroughEveryTable) {
  Rng rng(1);
  for (int bits = 1; bits <= 8; ++bits) {
    const int64_t steps = 9;
    std::vector<uint8_t> packed(static_cast<size_t>(steps * 64 * bits)), table(256);
    for (uint8_t& byte : packed) byte = static_cast<uint8_t>(rng.next_u32());
    for (uint8_t& entry : table) entry = static_cast<uint8_t>(rng.next_u32());
    std::vector<CodeMap> maps = {CodeMap::lookup256};
    if (bits <= 6) maps.push_back(CodeMap::lookup64);
    if (bits <= 4) maps.push_back(CodeMap::lookup16);
    std::vector<uint8_t> expected(static_cast<size_t>(steps * 512));
    std::vector<bool> seen(size_t{1} << bits);
    for (size_t i = 0; i < expected.size(); ++i) {
      const uint8_t* step = packed.data() + i / 512 * 64 * static_cast<size_t>(bits);
      const uint32_t code = code_at(step, bits, static_cast<int>(i % 512 / 64), static_cast<int>(i % 64));
      expected[i] = table[code];
      seen[code] = true;
    }
    EXPECT_EQ(std::count(seen.begin(), seen.end(), false), 0) << bits;
    for (const CodeMap map : maps) {
      for (const Isa isa : offered_isas()) {
        std::vector<uint8_t> panel(expected.size());
        k_unpack.at(isa)({packed.data(), 0, steps, bits, map, 0, table.data(), panel.data()});
        EXPECT_EQ(panel, expected) << isa_name(isa) << ", " << bits << " bits, map " << static_cast<int>(map);
      }
    }
  }
}

// Digit `unit` of a byte, by the words of simd/trits.h: 28 (3 d0 + d1) + 9 d2 + 3 d3 + d4.
uint8_t digit(int byte, int unit) {
  const int places[] = {3 * 28, 28, 9, 3, 1};
  for (int place = 0; place < unit; ++place) {
    while (byte >= places[place]) byte -= places[place];
  }
  return static_cast<uint8_t>(byte / places[unit]);
}

// Bytes that are sums of digits.
std::vector<uint8_t> sums_of_digits() {
  std::vector<uint8_t> out;
  for (int pair = 0; pair < 9; ++pair) {
    for (int rest = 0; rest < 27; ++rest) out.push_back(static_cast<uint8_t>(28 * pair + rest));
  }
  return out;
}

// Every pair of neighbouring bytes occurs in every vector of a period, and a walk may begin and end at every step.
TEST(Unpack, EveryPairOfBytesOfTrits) {
  const std::vector<uint8_t> bytes = sums_of_digits();
  const auto count = static_cast<int64_t>(bytes.size());
  const int64_t periods = (count * count * 2 + 63) / 64 + 1;
  std::vector<uint8_t> packed(static_cast<size_t>(periods * kTritBytes));
  for (int64_t i = 0; i < periods * kTritBytes / 2; ++i) {
    const int64_t pair = i / (kTritBytes / 2) * 32 + i % 32;  // all eight vectors of a period hold the same pairs
    packed[static_cast<size_t>(2 * i)] = bytes[static_cast<size_t>(pair % count)];
    packed[static_cast<size_t>(2 * i + 1)] = bytes[static_cast<size_t>(pair / count % count)];
  }
  const int64_t steps = periods * kTritSteps;
  std::vector<uint8_t> expected(static_cast<size_t>(steps * 512));
  for (size_t i = 0; i < expected.size(); ++i) {
    const size_t unit = i / 64;
    expected[i] = digit(packed[unit / 5 * 64 + i % 64], static_cast<int>(unit % 5));
  }
  for (const Isa isa : offered_isas()) {
    for (const auto& [first, past] : {std::pair{int64_t{0}, steps}, {1, 4}, {2, 3}, {3, 17}, {4, 5}, {9, 10}}) {
      std::vector<uint8_t> panel(static_cast<size_t>((past - first) * 512));
      k_unpack.at(isa)({packed.data(), first, past - first, kTrits, CodeMap::exclusive_or, 0, nullptr, panel.data()});
      EXPECT_TRUE(std::equal(panel.begin(), panel.end(), expected.begin() + first * 512))
          << isa_name(isa) << ", steps " << first << " to " << past;
    }
  }
}

// Damaged bytes are digits, too, and the same ones everywhere; maps see the digits.
TEST(Unpack, EveryByteOfTrits) {
  std::vector<uint8_t> packed(static_cast<size_t>(kTritBytes)), first(static_cast<size_t>(kTritSteps * 512));
  const std::vector<uint8_t> table = {7, 200, 31, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  for (size_t i = 0; i < packed.size(); ++i) packed[i] = static_cast<uint8_t>(i);
  const auto unpack = [&](Isa isa, CodeMap map) {
    std::vector<uint8_t> panel(first.size());
    k_unpack.at(isa)({packed.data(), 0, kTritSteps, kTrits, map, 0, table.data(), panel.data()});
    return panel;
  };
  first = unpack(Isa::portable, CodeMap::exclusive_or);
  std::vector<uint8_t> looked_up;
  for (const uint8_t code : first) {
    ASSERT_LT(code, 3);
    looked_up.push_back(table[code]);
  }
  for (const Isa isa : offered_isas()) {
    EXPECT_EQ(unpack(isa, CodeMap::exclusive_or), first) << isa_name(isa);
    EXPECT_EQ(unpack(isa, CodeMap::lookup16), looked_up) << isa_name(isa);
  }
}

// One unit of four columns against all activations of -127 to 127 in each column; `code` gives the weight's code of a
// row and column.
template <class Code>
void check_dot(Isa isa, bool signed_codes, Code code, const std::vector<std::array<int8_t, 4>>& columns) {
  const auto tokens = static_cast<int64_t>(columns.size());
  std::vector<uint8_t> panel(64);
  for (int r = 0; r < 16; ++r) {
    for (int c = 0; c < 4; ++c) panel[static_cast<size_t>(4 * r + c)] = static_cast<uint8_t>(code(r, c));
  }
  std::vector<int8_t> a;  // one unit: tiles lie as tokens do
  for (const auto& column : columns) a.insert(a.end(), column.begin(), column.end());
  const DotStretch stretch{0, 1, 0, 0, true};
  const std::vector<float> scales(16, 1.0f), activation_scales(static_cast<size_t>(tokens), 1.0f);
  const std::vector<int32_t> sums(static_cast<size_t>(tokens), 0);
  std::vector<float> out(static_cast<size_t>(tokens * 16));
  DotArgs args = {};
  args.stretch.stretches = &stretch;
  args.stretch.stretch_count = 1;
  args.stretch.scales = scales.data();
  args.stretch.group_step = 16;
  args.stretch.activations = {activation_scales.data(), sums.data(), sums.data(), nullptr};
  args.panels = panel.data();
  args.blocks = 1;
  args.units = 1;
  args.signed_codes = signed_codes;
  args.tokens = tokens;
  args.codes = a.data();
  args.out = out.data();
  args.out_stride = 16;
  k_dot.at(isa)(args);
  int64_t wrong = 0;
  for (int64_t t = 0; t < tokens; ++t) {
    for (int r = 0; r < 16; ++r) {
      int sum = 0;
      for (int c = 0; c < 4; ++c)
        sum += (code(r, c) - (signed_codes ? 128 : 0)) * columns[static_cast<size_t>(t)][static_cast<size_t>(c)];
      wrong += out[static_cast<size_t>(t * 16 + r)] != static_cast<float>(sum);
    }
  }
  EXPECT_EQ(wrong, 0) << isa_name(isa) << (signed_codes ? " signed" : "");
}

TEST(Dot, EveryCodeTimesEveryActivation) {
  std::vector<std::array<int8_t, 4>> columns;
  for (int a = -127; a <= 127; ++a) {
    const auto v = static_cast<int8_t>(a), w = static_cast<int8_t>(-a);
    columns.push_back({v, v, v, v});  // the greatest sums
    columns.push_back({v, w, v, w});
    columns.push_back({v, 0, 0, 0});
    columns.push_back({0, 0, 0, v});
    columns.push_back({127, v, -127, v});
  }
  for (const Isa isa : offered_isas()) {
    for (const bool signed_codes : {false, true}) {
      const int greatest = traits_of(isa).dot_max;
      if (signed_codes && greatest == 255) continue;  // dot() takes every code as it is
      const int most = signed_codes ? 255 : greatest;
      for (int base = 0; base <= most; base += 16) {
        check_dot(isa, signed_codes, [&](int r, int) { return std::min(base + r, most); }, columns);
        check_dot(
            isa, signed_codes, [&](int r, int c) { return c % 2 == 0 ? std::min(base + r, most) : most; }, columns);
        check_dot(
            isa, signed_codes, [&](int r, int c) { return c == r % 4 ? std::min(base + r, most) : 0; }, columns);
      }
    }
  }
}

// What a weight is without scales, of which each ISA reads the codes in its own way.
void check_panel(FloatWeights w, int64_t cols, const std::vector<float>& expected, const char* what) {
  w.cols = w.group = cols;
  for (const Isa isa : offered_isas()) {
    for (const int64_t first : {int64_t{0}, int64_t{64}}) {
      const int64_t depth = cols - first;
      std::vector<float> panel(static_cast<size_t>((depth + 31) / 32 * 512));
      k_float_panels.at(isa)({w, 1, first, depth, panel.data(), 0});
      const auto count = static_cast<size_t>(depth * 16);
      EXPECT_EQ(test::first_difference(std::span(panel).first(count), std::span(expected).subspan(first * 16)), -1)
          << what << ", " << isa_name(isa);
    }
  }
}

TEST(FloatPanels, EveryWord) {
  std::vector<uint16_t> words(65536);
  for (size_t i = 0; i < words.size(); ++i) words[i] = static_cast<uint16_t>(i * 4099);
  for (const auto& [name, kind] : {std::pair{"f16", FloatKind::f16}, std::pair{"bf16", FloatKind::bf16},
                                   std::pair{"fix16.8", FloatKind::words}, std::pair{"f16", FloatKind::words}}) {
    const std::span<const float> table = formats::decode_table(formats::parse_element(name).value());
    std::vector<float> expected;
    for (const uint16_t word : words) expected.push_back(table[word]);
    FloatWeights w = {};
    w.kind = kind;
    w.bits = 16;
    w.table = table.data();
    w.packed = reinterpret_cast<const uint8_t*>(words.data());
    check_panel(w, 4096, expected, name);
    check_panel(w, 4095, {expected.begin(), expected.end() - 16}, name);
  }
}

TEST(FloatPanels, EveryByteOfTrits) {
  const std::vector<uint8_t> bytes = sums_of_digits();
  std::vector<float> table(256);
  for (size_t i = 0; i < 3; ++i) table[i] = static_cast<float>(i) * 1.25f - 3.0f;
  for (const int64_t cols : {int64_t{32}, int64_t{100}, int64_t{160}}) {
    std::vector<uint8_t> packed(static_cast<size_t>((cols + 19) / 20 * 64));
    for (size_t i = 0; i < packed.size(); ++i) packed[i] = bytes[i * 7 % bytes.size()];
    FloatWeights w = {};
    w.kind = FloatKind::values;
    w.bits = kTrits;
    w.table = table.data();
    w.packed = packed.data();
    w.cols = w.group = cols;
    for (const Isa isa : offered_isas()) {
      std::vector<float> panel(packed.size() / 64 * 320);
      k_float_panels.at(isa)({w, 1, 0, cols, panel.data(), 0});
      for (int64_t i = 0; i < cols * 16; ++i) {
        const int64_t col = i / 16, unit = col / 4;
        const uint8_t byte = packed[static_cast<size_t>(unit / 5 * 64 + i % 16 * 4 + col % 4)];
        ASSERT_EQ(panel[static_cast<size_t>(i)], table[digit(byte, static_cast<int>(unit % 5))])
            << isa_name(isa) << ", column " << col << " of " << cols;
      }
    }
  }
}

// Values of every sign and size whose lower halves are zero, or not.
TEST(FloatPanels, EveryCodeOfEveryWidth) {
  Rng rng(3);
  for (int bits = 1; bits <= 8; ++bits) {
    const int64_t cols = 416;
    std::vector<uint8_t> packed(static_cast<size_t>(cols / 32 * 64 * bits));
    for (uint8_t& byte : packed) byte = static_cast<uint8_t>(rng.below(256));
    for (const bool mirrored : {false, true}) {
      std::vector<float> table(256);
      std::vector<uint8_t> halves(512);
      for (size_t c = 0; c < 256; ++c) {
        auto half = static_cast<uint32_t>(rng.below(0x7f00) | rng.below(2) << 15);
        if (mirrored && c >= 128) half = std::bit_cast<uint32_t>(table[c - 128]) >> 16 ^ 0x8000;
        table[c] = std::bit_cast<float>(half << 16);
        halves[c] = static_cast<uint8_t>(half);
        halves[256 + c] = static_cast<uint8_t>(half >> 8);
      }
      for (const FloatKind kind : {FloatKind::values, FloatKind::halves}) {
        if (kind == FloatKind::halves && bits <= 4) continue;
        if (mirrored && bits < 8) continue;
        FloatWeights w = {};
        w.kind = kind;
        w.bits = bits;
        w.signed_halves = mirrored;
        w.table = table.data();
        w.halves = halves.data();
        w.packed = packed.data();
        std::vector<float> expected;
        for (int64_t c = 0; c < cols; ++c) {
          for (int r = 0; r < 16; ++r) {
            const uint8_t* step = packed.data() + c / 32 * 64 * bits;
            expected.push_back(
                table[code_at(step, bits, static_cast<int>(c % 32 / 4), static_cast<int>(4 * r + c % 4))]);
          }
        }
        check_panel(w, cols, expected, kind == FloatKind::values ? "values" : "halves");
      }
    }
  }
}

// Every zero point of at most 8 bits times sums up to the largest that pairs hold.
TEST(Dot, PairsAreTheProduct) {
  Rng rng(2);
  for (int32_t offset = -255; offset <= 128; ++offset) {
    const int32_t a = pair_of_offset(offset);
    for (int i = 0; i < 2000; ++i) {
      const auto most = static_cast<int32_t>(kPairedSums - 1);
      const int32_t drawn = static_cast<int32_t>(rng.below(uint64_t{2} * kPairedSums - 1)) - most;
      const int32_t sum = i == 0 ? most : i == 1 ? -most : i < 600 ? i - 300 : drawn;
      const int32_t b = pair_of_sum(sum);
      const int32_t product = static_cast<int16_t>(a) * static_cast<int16_t>(b) + (a >> 16) * (b >> 16);
      ASSERT_EQ(product, offset * sum) << offset << " " << sum;
    }
  }
}

}  // namespace
}  // namespace lowbit::kernels

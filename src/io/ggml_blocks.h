// The blocks of GGUF's tensor types (ggml-common.h and ggml-quants.c of the ggml project define them), each described
// once: which bits of a block belong to which code or scale. Reading and writing both follow that description.
//
// A block type gives
//   kElements, kBytes                   of a block, along the row
//   kGroups                             innermost groups in it
//   kSuper                              whether the groups' scales are scaled again, once a block
//   kMinimum                            whether there are minima
//   kCodeFlip, kScaleFlip, kSuperFlip   bits in which the stored code, scale and outer minimum differ from lowbit's:
//                                       a code stored as q + 2^(n-1) is the two's complement of q with its high bit
//                                       flipped; a minimum that is subtracted is one of the other sign
//   place(visit, values)                calls visit(field of values, width, byte of the block, bit of that byte), or
//                                       with the lowest bit of the field in front of the width
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace lowbit::io {

struct BlockValues {
  std::array<uint32_t, 256> codes{};
  std::array<uint32_t, 16> scales{}, minimums{};
  uint32_t super_scale = 0, super_minimum = 0;
};

// Reads bits from a block into values.
class BlockReader {
 public:
  explicit BlockReader(const std::byte* block) : block_(block) {}
  void operator()(uint32_t& to, int low, int width, int byte, int bit) const {
    const auto stored = std::to_integer<uint32_t>(block_[byte]);
    to |= (stored >> bit & ((1u << width) - 1)) << low;
  }
  void operator()(uint32_t& to, int width, int byte, int bit) const { (*this)(to, 0, width, byte, bit); }

 private:
  const std::byte* block_;
};

// Writes bits of values into a block of zeros.
class BlockWriter {
 public:
  explicit BlockWriter(std::byte* block) : block_(block) {}
  void operator()(const uint32_t& from, int low, int width, int byte, int bit) const {
    block_[byte] |= static_cast<std::byte>((from >> low & ((1u << width) - 1)) << bit);
  }
  void operator()(const uint32_t& from, int width, int byte, int bit) const { (*this)(from, 0, width, byte, bit); }

 private:
  std::byte* block_;
};

template <class Visit, class Value>
void place_bytes(Visit& visit, Value& value, int bytes, int at) {
  for (int i = 0; i < bytes; ++i) visit(value, 8 * i, 8, at + i, 0);
}

struct BlockTraits {
  static constexpr bool kSuper = false, kMinimum = false;
  static constexpr uint32_t kCodeFlip = 0, kScaleFlip = 0, kSuperFlip = 0;
};

// 32 codes of 8 bits behind a scale of 16; what stands between is not a part of the values (Q8_1's sum).
template <int kFirst>
struct BlockInt8 : BlockTraits {
  static constexpr int kElements = 32, kBytes = kFirst + 32, kGroups = 1;
  template <class Visit, class Values>
  static void place(Visit visit, Values& v) {
    place_bytes(visit, v.scales[0], 2, 0);
    for (int j = 0; j < 32; ++j) visit(v.codes[j], 8, kFirst + j, 0);
  }
};
using BlockQ8_0 = BlockInt8<2>;
using BlockQ8_1 = BlockInt8<4>;

// 32 codes of 4 bits: the low half of byte j is code j, the high half code j + 16; a fifth bit stands in a word
// of 32.
template <int kScaleBytes, bool kWithMinimum, bool kFifth, uint32_t kFlip>
struct BlockNibbles : BlockTraits {
  static constexpr int kHigh = kScaleBytes + (kWithMinimum ? 2 : 0), kFirst = kHigh + (kFifth ? 4 : 0);
  static constexpr int kElements = 32, kBytes = kFirst + 16, kGroups = 1;
  static constexpr bool kMinimum = kWithMinimum;
  static constexpr uint32_t kCodeFlip = kFlip;
  template <class Visit, class Values>
  static void place(Visit visit, Values& v) {
    place_bytes(visit, v.scales[0], kScaleBytes, 0);
    if constexpr (kWithMinimum) place_bytes(visit, v.minimums[0], 2, kScaleBytes);
    for (int half = 0; half < 2; ++half) {
      for (int j = 0; j < 16; ++j) visit(v.codes[16 * half + j], 4, kFirst + j, 4 * half);
    }
    for (int j = 0; kFifth && j < 32; ++j) visit(v.codes[j], 4, 1, kHigh + j / 8, j % 8);
  }
};
using BlockQ4_0 = BlockNibbles<2, false, false, 8>;
using BlockQ4_1 = BlockNibbles<2, true, false, 0>;
using BlockQ5_0 = BlockNibbles<2, false, true, 16>;
using BlockQ5_1 = BlockNibbles<2, true, true, 0>;
using BlockIq4Nl = BlockNibbles<2, false, false, 0>;

// ggml has no -0: its code is read as that of 0.
struct BlockMxfp4 : BlockNibbles<1, false, false, 0> {
  static void settle(BlockValues& v) {
    for (uint32_t& code : v.codes) code = code == 8 ? 0 : code;
  }
};

// Four groups of 16, their scales in front: e4m3 without a sign, where the code of NaN counts 0.
struct BlockNvfp4 : BlockTraits {
  static constexpr int kElements = 64, kBytes = 36, kGroups = 4;
  template <class Visit, class Values>
  static void place(Visit visit, Values& v) {
    for (int g = 0; g < 4; ++g) visit(v.scales[g], 7, g, 0);
    for (int j = 0; j < 64; ++j) visit(v.codes[j], 4, 4 + j / 16 * 8 + j % 8, j % 16 / 8 * 4);
  }
  static void settle(BlockValues& v) {
    BlockMxfp4::settle(v);
    for (uint32_t& scale : v.scales) scale = scale == 0x7F ? 0 : scale;
  }
};

struct BlockQ8K : BlockTraits {
  static constexpr int kElements = 256, kBytes = 292, kGroups = 1;
  template <class Visit, class Values>
  static void place(Visit visit, Values& v) {
    place_bytes(visit, v.scales[0], 4, 0);
    for (int j = 0; j < 256; ++j) visit(v.codes[j], 8, 4 + j, 0);
  }
};

struct SuperBlock : BlockTraits {
  static constexpr int kElements = 256;
  static constexpr bool kSuper = true;
};

// Codes of 2 bits: byte l of each 32 holds elements l, l + 32, l + 64 and l + 96 of its 128.
template <class Visit, class Values>
void place_quarters(Visit& visit, Values& v, int low, int at) {
  for (int j = 0; j < 256; ++j) visit(v.codes[j], low, 2, at + j / 128 * 32 + j % 32, j % 128 / 32 * 2);
}

struct BlockQ2K : SuperBlock {
  static constexpr int kBytes = 84, kGroups = 16;
  static constexpr bool kMinimum = true;
  static constexpr uint32_t kSuperFlip = 0x8000;
  template <class Visit, class Values>
  static void place(Visit visit, Values& v) {
    for (int g = 0; g < 16; ++g) {
      visit(v.scales[g], 4, g, 0);
      visit(v.minimums[g], 4, g, 4);
    }
    place_quarters(visit, v, 0, 16);
    place_bytes(visit, v.super_scale, 2, 80);
    place_bytes(visit, v.super_minimum, 2, 82);
  }
};

struct BlockQ3K : SuperBlock {
  static constexpr int kBytes = 110, kGroups = 16;
  static constexpr uint32_t kCodeFlip = 4, kScaleFlip = 32;
  template <class Visit, class Values>
  static void place(Visit visit, Values& v) {
    for (int j = 0; j < 256; ++j) visit(v.codes[j], 2, 1, j % 32, j / 32);
    place_quarters(visit, v, 0, 32);
    for (int g = 0; g < 16; ++g) {
      visit(v.scales[g], 4, 96 + g % 8, g / 8 * 4);
      visit(v.scales[g], 4, 2, 104 + g % 4, g / 4 * 2);
    }
    place_bytes(visit, v.super_scale, 2, 108);
  }
};

// Scales and minima of 6 bits, eight of each in 12 bytes.
template <class Visit, class Values>
void place_sixes(Visit& visit, Values& v, int at) {
  for (int g = 0; g < 4; ++g) {
    visit(v.scales[g], 6, at + g, 0);
    visit(v.minimums[g], 6, at + 4 + g, 0);
    visit(v.scales[g + 4], 4, at + 8 + g, 0);
    visit(v.scales[g + 4], 4, 2, at + g, 6);
    visit(v.minimums[g + 4], 4, at + 8 + g, 4);
    visit(v.minimums[g + 4], 4, 2, at + 4 + g, 6);
  }
}

template <bool kFifth>
struct BlockQ45K : SuperBlock {
  static constexpr int kFirst = kFifth ? 48 : 16, kBytes = kFirst + 128, kGroups = 8;
  static constexpr bool kMinimum = true;
  static constexpr uint32_t kSuperFlip = 0x8000;
  template <class Visit, class Values>
  static void place(Visit visit, Values& v) {
    place_bytes(visit, v.super_scale, 2, 0);
    place_bytes(visit, v.super_minimum, 2, 2);
    place_sixes(visit, v, 4);
    for (int j = 0; j < 256; ++j) {
      visit(v.codes[j], 4, kFirst + j / 64 * 32 + j % 32, j % 64 / 32 * 4);
      if constexpr (kFifth) visit(v.codes[j], 4, 1, 16 + j % 32, j / 32);
    }
  }
};
using BlockQ4K = BlockQ45K<false>;
using BlockQ5K = BlockQ45K<true>;

struct BlockQ6K : SuperBlock {
  static constexpr int kBytes = 210, kGroups = 16;
  static constexpr uint32_t kCodeFlip = 32;
  template <class Visit, class Values>
  static void place(Visit visit, Values& v) {
    for (int j = 0; j < 256; ++j) visit(v.codes[j], 4, j / 128 * 64 + j % 64, j % 128 / 64 * 4);
    place_quarters(visit, v, 4, 128);
    for (int g = 0; g < 16; ++g) visit(v.scales[g], 8, 192 + g, 0);
    place_bytes(visit, v.super_scale, 2, 208);
  }
};

struct BlockIq4Xs : SuperBlock {
  static constexpr int kBytes = 136, kGroups = 8;
  static constexpr uint32_t kScaleFlip = 32;
  template <class Visit, class Values>
  static void place(Visit visit, Values& v) {
    place_bytes(visit, v.super_scale, 2, 0);
    for (int g = 0; g < 8; ++g) {
      visit(v.scales[g], 4, 2, 2 + g / 4, g % 4 * 2);
      visit(v.scales[g], 4, 4 + g / 2, g % 2 * 4);
    }
    for (int j = 0; j < 256; ++j) visit(v.codes[j], 4, 8 + j / 32 * 16 + j % 16, j % 32 / 16 * 4);
  }
};

struct BlockTq2_0 : BlockTraits {
  static constexpr int kElements = 256, kBytes = 66, kGroups = 1;
  template <class Visit, class Values>
  static void place(Visit visit, Values& v) {
    place_quarters(visit, v, 0, 0);
    place_bytes(visit, v.scales[0], 2, 64);
  }
};

// Digits of base 3, the first one highest: a byte b holds ceil(256 * n / 243) for the number n of its digits.
// 32 bytes hold five digits each, then 16, then 4 bytes four each.
struct BlockTq1_0 : BlockTraits {
  static constexpr int kElements = 256, kBytes = 54, kGroups = 1;
  static void read(const std::byte* block, BlockValues& v) {
    constexpr struct {
      int begin, end, digits;
    } kRuns[] = {{0, 32, 5}, {32, 48, 5}, {48, 52, 4}};
    int element = 0;
    for (const auto& run : kRuns) {
      for (int digit = 0, power = 1; digit < run.digits; ++digit, power *= 3) {
        for (int i = run.begin; i < run.end; ++i) {
          const uint32_t rest = std::to_integer<uint32_t>(block[i]) * static_cast<uint32_t>(power) & 0xFF;
          v.codes[static_cast<size_t>(element++)] = rest * 3 >> 8;
        }
      }
    }
    BlockReader visit(block);
    place_bytes(visit, v.scales[0], 2, 52);
  }
};

// v: zero beyond what a block of this kind has.
template <class Block>
void read_block(const std::byte* block, BlockValues& v) {
  for (int j = 0; j < Block::kElements; ++j) v.codes[j] = 0;
  for (int g = 0; g < Block::kGroups; ++g) v.scales[g] = v.minimums[g] = 0;
  v.super_scale = v.super_minimum = 0;
  // A copy: a compiler sees that values do not lie in it.
  std::byte own[Block::kBytes];
  std::memcpy(own, block, sizeof own);
  if constexpr (requires { Block::read(own, v); }) {
    Block::read(own, v);
  } else {
    Block::place(BlockReader(own), v);
  }
  if constexpr (requires { Block::settle(v); }) Block::settle(v);
  for (int j = 0; Block::kCodeFlip != 0 && j < Block::kElements; ++j) v.codes[j] ^= Block::kCodeFlip;
  for (int g = 0; Block::kScaleFlip != 0 && g < Block::kGroups; ++g) v.scales[g] ^= Block::kScaleFlip;
  v.super_minimum ^= Block::kSuperFlip;
}

// v is used up.
template <class Block>
void write_block(BlockValues& v, std::byte* block) {
  std::memset(block, 0, Block::kBytes);
  for (int j = 0; Block::kCodeFlip != 0 && j < Block::kElements; ++j) v.codes[j] ^= Block::kCodeFlip;
  for (int g = 0; Block::kScaleFlip != 0 && g < Block::kGroups; ++g) v.scales[g] ^= Block::kScaleFlip;
  v.super_minimum ^= Block::kSuperFlip;
  Block::place(BlockWriter(block), v);
}

}  // namespace lowbit::io

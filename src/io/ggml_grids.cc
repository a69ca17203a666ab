#include "io/ggml_grids.h"

#include <bit>
#include <cstdint>
#include <cstring>

#include "formats/format.h"

namespace lowbit::io {
namespace {

// A grid: point i is `kValues` values, value j of it has the index (points[i] >> kBits * j) & mask.
template <int kValues, int kBits, int kCount>
struct Grid {
  int8_t values[1 << kBits];
  uint16_t points[kCount];

  float value(uint32_t point, int j) const { return values[points[point] >> (kBits * j) & ((1 << kBits) - 1)]; }
};

#define LOWBIT_UNWRAP(...) __VA_ARGS__
#define LOWBIT_GRID(name, per_point, bits, list, ...)                                                        \
  constexpr uint16_t kPoints##name[] = {__VA_ARGS__};                                                        \
  constexpr Grid<per_point, bits, sizeof(kPoints##name) / sizeof(uint16_t)> k##name = {{LOWBIT_UNWRAP list}, \
                                                                                       {__VA_ARGS__}};
#include "io/ggml_grids.inc"
#undef LOWBIT_GRID
#undef LOWBIT_UNWRAP

constexpr float kDelta = 0.125f;  // of IQ1: what every value is shifted by

uint32_t byte(const std::byte* at, int i) { return std::to_integer<uint32_t>(at[i]); }
uint32_t word(const std::byte* at, int i) { return byte(at, 2 * i) | byte(at, 2 * i + 1) << 8; }
uint32_t double_word(const std::byte* at, int i) { return word(at, 2 * i) | word(at, 2 * i + 1) << 16; }

float half(uint32_t code) {
  static const std::span<const float> table = formats::decode_table(formats::parse_element("f16").value());
  return table[code];
}

// Seven signs and, for an even number of them, an eighth.
uint32_t eight_signs(uint32_t seven) { return seven | static_cast<uint32_t>(std::popcount(seven) & 1) << 7; }

// Values [first, first + count) of a group of eight from one grid point: negative where the sign's bit is set.
template <class AnyGrid>
void put(const AnyGrid& grid, uint32_t point, float scale, uint32_t signs, int count, float* out) {
  for (int j = 0; j < count; ++j) out[j] = scale * grid.value(point, j) * (signs >> j & 1 ? -1.0f : 1.0f);
}

void put_shifted(uint32_t point, float scale, bool minus, float* out) {
  for (int j = 0; j < 8; ++j) out[j] = scale * (kIq1S.value(point, j) + (minus ? -kDelta : kDelta));
}

}  // namespace

// d, 32 low bytes of indices, 8 words: three high bits for each of four indices, a scale of 3 bits, the shift's sign.
void decode_iq1_s(const std::byte* block, float* out) {
  const float d = half(word(block, 0));
  for (int group = 0; group < 8; ++group) {
    const uint32_t high = word(block + 34, group);
    const float scale = d * static_cast<float>(2 * (high >> 12 & 7) + 1);
    for (int l = 0; l < 4; ++l, out += 8) {
      put_shifted(byte(block + 2, 4 * group + l) | (high >> 3 * l & 7) << 8, scale, (high & 0x8000) != 0, out);
    }
  }
}

// 32 low bytes of indices, 16 bytes of two times three high bits and a shift's sign, four words: four scales of 3
// bits each, and a quarter of d.
void decode_iq1_m(const std::byte* block, float* out) {
  const std::byte* scales = block + 48;
  uint32_t code = 0;
  for (int i = 0; i < 4; ++i) code |= word(scales, i) >> 12 << 4 * i;
  const float d = half(code);
  for (int i = 0; i < 32; ++i, out += 8) {
    const uint32_t high = byte(block + 32, i / 2) >> i % 2 * 4;
    const int sixteen = i / 2;
    const float scale = d * static_cast<float>(2 * (word(scales, sixteen / 4) >> sixteen % 4 * 3 & 7) + 1);
    put_shifted(byte(block, i) | (high & 7) << 8, scale, (high & 8) != 0, out);
  }
}

// d, then for each 32: four indices of 8 bits, four times seven signs, a scale of 4 bits.
void decode_iq2_xxs(const std::byte* block, float* out) {
  const float d = half(word(block, 0));
  for (int group = 0; group < 8; ++group) {
    const uint32_t signs = double_word(block + 2, 2 * group + 1);
    const float scale = d * (0.5f + static_cast<float>(signs >> 28)) * 0.25f;
    for (int l = 0; l < 4; ++l, out += 8) {
      put(kIq2Xxs, byte(block + 2, 8 * group + l), scale, eight_signs(signs >> 7 * l & 127), 8, out);
    }
  }
}

// d, 32 words of an index of 9 bits and seven signs, 16 scales of 4 bits.
void decode_iq2_xs(const std::byte* block, float* out) {
  const float d = half(word(block, 0));
  for (int i = 0; i < 32; ++i, out += 8) {
    const uint32_t code = word(block + 2, i);
    const float scale = d * (0.5f + static_cast<float>(byte(block + 66, i / 4) >> i % 4 / 2 * 4 & 15)) * 0.25f;
    put(kIq2Xs, code & 511, scale, eight_signs(code >> 9), 8, out);
  }
}

// d, 32 low bytes of indices, 32 bytes of signs, 8 bytes of four times two high bits, 16 scales of 4 bits.
void decode_iq2_s(const std::byte* block, float* out) {
  const float d = half(word(block, 0));
  for (int i = 0; i < 32; ++i, out += 8) {
    const uint32_t high = byte(block + 66, i / 4) >> i % 4 * 2 & 3;
    const float scale = d * (0.5f + static_cast<float>(byte(block + 74, i / 4) >> i % 4 / 2 * 4 & 15)) * 0.25f;
    put(kIq2S, byte(block + 2, i) | high << 8, scale, byte(block + 34, i), 8, out);
  }
}

// d, 64 indices, for each 32 four times seven signs and a scale of 4 bits.
void decode_iq3_xxs(const std::byte* block, float* out) {
  const float d = half(word(block, 0));
  for (int i = 0; i < 32; ++i, out += 8) {
    const uint32_t group = double_word(block + 66, i / 4);
    const float scale = d * (0.5f + static_cast<float>(group >> 28)) * 0.5f;
    const uint32_t signs = eight_signs(group >> i % 4 * 7 & 127);
    put(kIq3Xxs, byte(block + 2, 2 * i), scale, signs, 4, out);
    put(kIq3Xxs, byte(block + 2, 2 * i + 1), scale, signs >> 4, 4, out + 4);
  }
}

// d, 64 low bytes of indices, 8 bytes of their ninth bits, 32 bytes of signs, 8 scales of 4 bits.
void decode_iq3_s(const std::byte* block, float* out) {
  const float d = half(word(block, 0));
  for (int i = 0; i < 32; ++i, out += 8) {
    const float scale = d * static_cast<float>(1 + 2 * (byte(block + 106, i / 8) >> i % 8 / 4 * 4 & 15));
    const uint32_t signs = byte(block + 74, i), high = byte(block + 66, i / 4) >> i % 4 * 2;
    put(kIq3S, byte(block + 2, 2 * i) | (high & 1) << 8, scale, signs, 4, out);
    put(kIq3S, byte(block + 2, 2 * i + 1) | (high >> 1 & 1) << 8, scale, signs >> 4, 4, out + 4);
  }
}

}  // namespace lowbit::io

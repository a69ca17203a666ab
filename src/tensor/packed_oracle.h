// Tests only: the layout of packed.h bit by bit, and the values of format.h element by element, written from the
// definitions and sharing no code with the room.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "base/rng.h"
#include "formats/codebook.h"
#include "tensor/packed.h"

namespace lowbit::tensor::oracle {

// Columns per scale, counted along a row.
inline int64_t columns_of(const formats::ScaleLevel& level, int64_t cols) {
  return level.group > 0 ? level.group : cols;
}

inline int64_t groups_of(const formats::ScaleLevel& level, int64_t cols) {
  const int64_t columns = columns_of(level, cols);
  return cols / columns + (cols % columns != 0 ? 1 : 0);
}

inline int64_t entries_of(const formats::ScaleLevel& level, int64_t rows, int64_t cols) {
  return level.group == formats::kGroupTensor ? 1 : rows * groups_of(level, cols);
}

inline uint32_t random_bits(Rng& rng, int bits) { return rng.next_u32() >> (32 - bits); }

// Codes of an element that occur: those of a short codebook only.
inline uint32_t random_code(Rng& rng, const formats::ElementFormat& element) {
  if (element.kind == formats::ElementKind::codebook) {
    return static_cast<uint32_t>(rng.below(element.codebook->values.size()));
  }
  return random_bits(rng, element.bits);
}

inline Codes random_codes(const formats::Format& format, int64_t rows, int64_t cols, Rng& rng) {
  Codes out;
  if (format.element.bits <= 16) {
    for (int64_t i = 0; i < rows * cols; ++i) {
      out.codes.push_back(static_cast<uint16_t>(random_code(rng, format.element)));
    }
  }
  for (const formats::ScaleLevel& level : format.levels) {
    std::vector<uint32_t> scales, minimums;
    for (int64_t i = 0; i < entries_of(level, rows, cols); ++i) {
      scales.push_back(random_code(rng, level.scale));
      if (level.minimum) minimums.push_back(random_code(rng, *level.minimum));
      if (level.zero_point) minimums.push_back(random_code(rng, format.element));
    }
    out.scales.push_back(scales);
    out.minimums.push_back(minimums);
  }
  return out;
}

class Image {
 public:
  // Sets bits [bit, bit + width) counted from the low end of byte `base`.
  void put(uint64_t base, uint64_t bit, int width, uint32_t value) {
    for (int k = 0; k < width; ++k) {
      const uint64_t at = base + (bit + k) / 8;
      if (at >= bytes.size()) bytes.resize(at + 1);
      bytes[at] = static_cast<uint8_t>(bytes[at] | ((value >> k) & 1) << ((bit + k) % 8));
    }
  }
  void grow(uint64_t size) {
    if (bytes.size() < size) bytes.resize(size);
  }
  void align() { bytes.resize((bytes.size() + 63) / 64 * 64); }

  std::vector<uint8_t> bytes;
};

// One code of at most 8 bits: into the planes of its step.
inline void put_code(Image& image, int bits, int64_t row, int64_t col, int64_t cols, uint32_t code) {
  static const std::vector<std::vector<int>> kPlanes = {{}, {1}, {2}, {2, 1}, {4}, {4, 1}, {4, 2}, {4, 2, 1}, {8}};
  const int64_t steps = (cols + 31) / 32;
  uint64_t base = static_cast<uint64_t>((row / 16 * steps + col / 32) * 64 * bits);
  const int64_t unit = col % 32 / 4;
  int left = bits;
  for (const int width : kPlanes[bits]) {
    left -= width;
    const int64_t per_vector = 8 / width;
    const uint64_t byte = base + static_cast<uint64_t>(unit / per_vector * 64 + 4 * (row % 16) + col % 4);
    image.put(byte, static_cast<uint64_t>(unit % per_vector * width), width, (code >> left) & ((1u << width) - 1));
    base += static_cast<uint64_t>(64 * width);
  }
}

// A list of three values: the digit of its unit.
inline bool five_to_a_byte(const formats::ElementFormat& element) {
  return element.kind == formats::ElementKind::codebook && element.codebook->values.size() == 3;
}

// Vectors of a row block's codes of at most 8 bits.
inline int64_t code_vectors(const formats::ElementFormat& element, int64_t cols) {
  const int64_t steps = (cols + 31) / 32;
  return five_to_a_byte(element) ? (8 * steps + 4) / 5 : steps * element.bits;
}

inline void put_trit(Image& image, int64_t row, int64_t col, int64_t vectors, uint32_t code) {
  static const std::vector<uint32_t> kPlaces = {3 * 28, 28, 9, 3, 1};
  const int64_t unit = col / 4;
  const auto byte = static_cast<size_t>((row / 16 * vectors + unit / 5) * 64 + 4 * (row % 16) + col % 4);
  image.grow(byte + 1);
  image.bytes[byte] = static_cast<uint8_t>(image.bytes[byte] + code * kPlaces[static_cast<size_t>(unit % 5)]);
}

inline void put_section(Image& image, const formats::ScaleLevel& level, int bits, int64_t rows, int64_t cols,
                        const std::vector<uint32_t>& entries) {
  image.align();
  const uint64_t base = image.bytes.size();
  if (level.group == formats::kGroupTensor) {
    image.put(base, 0, bits, entries[0]);
    return;
  }
  const int64_t groups = groups_of(level, cols);
  image.grow(base + static_cast<uint64_t>((rows + 15) / 16 * groups * 2 * bits));
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t group = 0; group < groups; ++group) {
      const int64_t number = (row / 16 * groups + group) * 16 + row % 16;
      image.put(base, static_cast<uint64_t>(number * bits), bits, entries[row * groups + group]);
    }
  }
}

// All bytes of a packed matrix of at most 16-bit elements.
inline std::vector<uint8_t> pack(const formats::Format& format, int64_t rows, int64_t cols, const Codes& codes) {
  Image image;
  const int bits = format.element.bits;
  const int64_t row_blocks = (rows + 15) / 16;
  const int64_t vectors = code_vectors(format.element, cols);
  image.grow(static_cast<uint64_t>(bits <= 8 ? row_blocks * vectors * 64 : row_blocks * 32 * cols));
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t col = 0; col < cols; ++col) {
      const uint32_t code = codes.codes[row * cols + col];
      if (five_to_a_byte(format.element)) {
        put_trit(image, row, col, vectors, code);
      } else if (bits <= 8) {
        put_code(image, bits, row, col, cols, code);
      } else {
        image.put(static_cast<uint64_t>(((row / 16 * cols + col) * 16 + row % 16) * 2), 0, 16, code);
      }
    }
  }
  for (size_t i = 0; i < format.levels.size(); ++i) {
    const formats::ScaleLevel& level = format.levels[i];
    put_section(image, level, level.scale.bits, rows, cols, codes.scales[i]);
    if (level.minimum) put_section(image, level, level.minimum->bits, rows, cols, codes.minimums[i]);
    if (level.zero_point) put_section(image, level, bits, rows, cols, codes.minimums[i]);
  }
  return image.bytes;
}

// The combined scale (or minimum) of one element; an outer level without a minimum applies its scale to both.
inline float combined(const formats::Format& format, const Codes& codes, bool minimum, int64_t row, int64_t col,
                      int64_t cols) {
  float product = 1;
  for (size_t i = 0; i < format.levels.size(); ++i) {
    const formats::ScaleLevel& level = format.levels[i];
    const bool own = minimum && level.minimum;
    const int64_t index =
        level.group == formats::kGroupTensor ? 0 : row * groups_of(level, cols) + col / columns_of(level, cols);
    const float value =
        own ? level.minimum->decode(codes.minimums[i][index]) : level.scale.decode(codes.scales[i][index]);
    product = i == 0 ? value : product * value;
  }
  return product;
}

inline int integer_of(const formats::ElementFormat& element, uint32_t code) {
  const int value = static_cast<int>(code);
  return element.is_signed && value >= (1 << (element.bits - 1)) ? value - (1 << element.bits) : value;
}

inline float value(const formats::Format& format, const Codes& codes, int64_t row, int64_t col, int64_t cols) {
  const uint32_t code = codes.codes[row * cols + col];
  if (format.levels.empty()) return format.element.decode(code);
  const float scale = combined(format, codes, false, row, col, cols);
  if (format.has_minimum()) {
    return std::fma(format.element.decode(code), scale, combined(format, codes, true, row, col, cols));
  }
  if (format.has_zero_point()) {
    const formats::ScaleLevel& level = format.levels[0];
    const int64_t index =
        level.group == formats::kGroupTensor ? 0 : row * groups_of(level, cols) + col / columns_of(level, cols);
    const int zero = integer_of(format.element, codes.minimums[0][index]);
    return static_cast<float>(integer_of(format.element, code) - zero) * scale;
  }
  return format.element.decode(code) * scale;
}

}  // namespace lowbit::tensor::oracle

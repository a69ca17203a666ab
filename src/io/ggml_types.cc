#include "io/ggml_types.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <vector>

namespace lowbit::io {
namespace {

// Rows repacked at a time, so that the codes of a large matrix are never all held at once.
constexpr int64_t kRowsAtOnce = 4 * tensor::kRowBlock;

uint16_t word_at(const std::byte* p) {
  uint16_t word;
  std::memcpy(&word, p, sizeof(word));
  return word;
}

// Blocks of 32 elements x along the row, each an fp16 scale d, for q4_1 an fp16 minimum m, then the codes q.
// Two codes of 4 bits share a byte: the low one is element j, the high one element j + 16.

// x = d * q, q in [-128, 127].
struct BlockQ8_0 {
  static constexpr int64_t kBytes = 34;
  static constexpr bool kMinimum = false;
  static void codes(const std::byte* block, uint16_t* out) {
    for (int j = 0; j < 32; ++j) out[j] = std::to_integer<uint16_t>(block[2 + j]);
  }
};

// x = d * (q - 8), q in [0, 15]: as two's complement of 4 bits q - 8 is q with its high bit flipped.
struct BlockQ4_0 {
  static constexpr int64_t kBytes = 18;
  static constexpr bool kMinimum = false;
  static void codes(const std::byte* block, uint16_t* out) {
    for (int j = 0; j < 16; ++j) {
      const auto pair = std::to_integer<uint16_t>(block[2 + j]);
      out[j] = (pair & 15) ^ 8;
      out[j + 16] = (pair >> 4) ^ 8;
    }
  }
};

// x = d * q + m, q in [0, 15].
struct BlockQ4_1 {
  static constexpr int64_t kBytes = 20;
  static constexpr bool kMinimum = true;
  static void codes(const std::byte* block, uint16_t* out) {
    for (int j = 0; j < 16; ++j) {
      const auto pair = std::to_integer<uint16_t>(block[4 + j]);
      out[j] = pair & 15;
      out[j + 16] = pair >> 4;
    }
  }
};

template <class Block>
Result<tensor::PackedMatrix> repack_blocks(const formats::Format& format, int64_t rows, int64_t cols,
                                           std::span<const std::byte> data) {
  LOWBIT_CHECK(cols % 32 == 0 && data.size() == static_cast<uint64_t>(rows * (cols / 32) * Block::kBytes));
  LOWBIT_ASSIGN(tensor::PackedMatrix packed, tensor::PackedMatrix::allocate(format, rows, cols));
  const std::byte* block = data.data();
  for (int64_t begin = 0; begin < rows; begin += kRowsAtOnce) {
    const int64_t end = std::min(rows, begin + kRowsAtOnce);
    const int64_t blocks = (end - begin) * (cols / 32);
    tensor::Codes codes;
    codes.codes.resize(static_cast<size_t>(blocks * 32));
    codes.scales.assign(1, std::vector<uint32_t>(static_cast<size_t>(blocks)));
    codes.minimums.assign(1, std::vector<uint32_t>(static_cast<size_t>(Block::kMinimum ? blocks : 0)));
    for (int64_t i = 0; i < blocks; ++i, block += Block::kBytes) {
      codes.scales[0][static_cast<size_t>(i)] = word_at(block);
      if constexpr (Block::kMinimum) codes.minimums[0][static_cast<size_t>(i)] = word_at(block + 2);
      Block::codes(block, codes.codes.data() + i * 32);
    }
    tensor::pack_rows(codes, begin, end, packed);
  }
  return packed;
}

// Elements of 16 bits, each its own code.
Result<tensor::PackedMatrix> repack_words(const formats::Format& format, int64_t rows, int64_t cols,
                                          std::span<const std::byte> data) {
  LOWBIT_CHECK(data.size() == static_cast<uint64_t>(rows * cols * 2));
  LOWBIT_ASSIGN(tensor::PackedMatrix packed, tensor::PackedMatrix::allocate(format, rows, cols));
  for (int64_t begin = 0; begin < rows; begin += kRowsAtOnce) {
    const int64_t end = std::min(rows, begin + kRowsAtOnce);
    tensor::Codes codes;
    codes.codes.resize(static_cast<size_t>((end - begin) * cols));
    std::memcpy(codes.codes.data(), data.data() + begin * cols * 2, codes.codes.size() * 2);
    tensor::pack_rows(codes, begin, end, packed);
  }
  return packed;
}

Result<tensor::PackedMatrix> repack_f32(const formats::Format& format, int64_t rows, int64_t cols,
                                        std::span<const std::byte> data) {
  LOWBIT_CHECK(data.size() == static_cast<uint64_t>(rows * cols * 4));
  std::vector<float> values(static_cast<size_t>(rows * cols));
  std::memcpy(values.data(), data.data(), data.size());
  return tensor::pack_plain(format, rows, cols, values);
}

constexpr GgmlType kTypes[] = {
#define LOWBIT_GGML_TYPE(id, name, elements, bytes, format, repack) {id, name, elements, bytes, format, repack},
#define LOWBIT_GGML_NAME(id, name)
#include "io/ggml_types.inc"
#undef LOWBIT_GGML_NAME
#undef LOWBIT_GGML_TYPE
};

struct TypeName {
  uint32_t id;
  std::string_view name;
};

constexpr TypeName kNames[] = {
#define LOWBIT_GGML_TYPE(id, name, elements, bytes, format, repack) {id, name},
#define LOWBIT_GGML_NAME(id, name) {id, name},
#include "io/ggml_types.inc"
#undef LOWBIT_GGML_NAME
#undef LOWBIT_GGML_TYPE
};

}  // namespace

std::span<const GgmlType> ggml_types() { return kTypes; }

const GgmlType* find_ggml_type(uint32_t id) {
  const auto* found = std::ranges::find(kTypes, id, &GgmlType::id);
  return found == std::end(kTypes) ? nullptr : found;
}

std::string_view ggml_type_name(uint32_t id) {
  const auto* found = std::ranges::find(kNames, id, &TypeName::id);
  return found == std::end(kNames) ? std::string_view() : found->name;
}

}  // namespace lowbit::io

#include "io/ggml_types.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

#include "formats/codebook.h"
#include "io/ggml_blocks.h"
#include "io/ggml_grids.h"

namespace lowbit::io {
namespace {

// Rows repacked at a time, so that the codes of a large matrix are never all held at once.
constexpr int64_t kRowsAtOnce = 4 * tensor::kRowBlock;

// Rows of blocks as codes, and back.
template <class Block>
Result<tensor::Codes> read_codes(const formats::Format& format, int64_t blocks, const std::byte* block) {
  tensor::Codes codes;
  const auto count = static_cast<size_t>(blocks);
  codes.codes.resize(count * Block::kElements);
  codes.scales.resize(Block::kSuper ? 2 : 1);
  codes.minimums.resize(codes.scales.size());
  codes.scales[0].resize(count * Block::kGroups);
  if (Block::kMinimum) codes.minimums[0].resize(codes.scales[0].size());
  BlockValues v;
  uint32_t most = 0;
  for (size_t i = 0; i < count; ++i, block += Block::kBytes) {
    read_block<Block>(block, v);
    for (size_t j = 0; j < Block::kElements; ++j) {
      codes.codes[i * Block::kElements + j] = static_cast<uint16_t>(v.codes[j]);
      most = std::max(most, v.codes[j]);
    }
    std::copy_n(v.scales.begin(), Block::kGroups, codes.scales[0].begin() + static_cast<int64_t>(i) * Block::kGroups);
    if constexpr (Block::kMinimum) {
      std::copy_n(v.minimums.begin(), Block::kGroups,
                  codes.minimums[0].begin() + static_cast<int64_t>(i) * Block::kGroups);
      if constexpr (Block::kSuper) codes.minimums[1].push_back(v.super_minimum);
    }
    if constexpr (Block::kSuper) codes.scales[1].push_back(v.super_scale);
  }
  const formats::Codebook* book = format.element.codebook.get();
  if (book != nullptr && most >= book->values.size()) {
    return errorf("holds the code {}, expected 0 to {}", most, book->values.size() - 1);
  }
  return codes;
}

template <class Block>
void write_codes(const tensor::Codes& codes, std::vector<std::byte>& out) {
  const size_t count = codes.codes.size() / Block::kElements;
  out.resize(count * Block::kBytes);
  BlockValues v;
  for (size_t i = 0; i < count; ++i) {
    v = {};
    std::copy_n(codes.codes.begin() + static_cast<int64_t>(i) * Block::kElements, Block::kElements, v.codes.begin());
    std::copy_n(codes.scales[0].begin() + static_cast<int64_t>(i) * Block::kGroups, Block::kGroups, v.scales.begin());
    if constexpr (Block::kMinimum) {
      std::copy_n(codes.minimums[0].begin() + static_cast<int64_t>(i) * Block::kGroups, Block::kGroups,
                  v.minimums.begin());
      if constexpr (Block::kSuper) v.super_minimum = codes.minimums[1][i];
    }
    if constexpr (Block::kSuper) v.super_scale = codes.scales[1][i];
    write_block<Block>(v, out.data() + i * Block::kBytes);
  }
}

template <class Block>
Result<tensor::PackedMatrix> repack_blocks(const formats::Format& format, int64_t rows, int64_t cols,
                                           std::span<const std::byte> data) {
  const int64_t blocks = cols / Block::kElements;
  LOWBIT_CHECK(cols % Block::kElements == 0 && data.size() == static_cast<uint64_t>(rows * blocks * Block::kBytes));
  LOWBIT_ASSIGN(tensor::PackedMatrix packed, tensor::PackedMatrix::allocate(format, rows, cols));
  for (int64_t begin = 0; begin < rows; begin += kRowsAtOnce) {
    const int64_t end = std::min(rows, begin + kRowsAtOnce);
    LOWBIT_ASSIGN(const tensor::Codes codes,
                  read_codes<Block>(format, (end - begin) * blocks, data.data() + begin * blocks * Block::kBytes));
    tensor::pack_rows(codes, begin, end, packed);
  }
  return packed;
}

template <class Block>
void blocks_of(const tensor::PackedMatrix& from, int64_t begin, int64_t end, std::vector<std::byte>& out) {
  write_codes<Block>(tensor::unpack_rows(from, begin, end), out);
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

// F64: the nearest f32.
Result<tensor::PackedMatrix> repack_f64(const formats::Format& format, int64_t rows, int64_t cols,
                                        std::span<const std::byte> data) {
  LOWBIT_CHECK(data.size() == static_cast<uint64_t>(rows * cols * 8));
  std::vector<float> values(static_cast<size_t>(rows * cols));
  for (size_t i = 0; i < values.size(); ++i) {
    double value;
    std::memcpy(&value, data.data() + i * sizeof(value), sizeof(value));
    values[i] = static_cast<float>(value);
    if (std::isfinite(value) && !std::isfinite(values[i])) return errorf("holds {}, which f32 cannot", value);
  }
  return tensor::pack_plain(format, rows, cols, values);
}

// Values of a type that has no packed form here.
template <void (*kDecode)(const std::byte* block, float* out), uint64_t kBytes>
Result<tensor::PackedMatrix> repack_decoded(const formats::Format& format, int64_t rows, int64_t cols,
                                            std::span<const std::byte> data) {
  LOWBIT_CHECK(cols % kGridElements == 0);
  std::vector<float> values(static_cast<size_t>(rows * cols));
  const size_t blocks = values.size() / kGridElements;
  LOWBIT_CHECK(data.size() == blocks * kBytes);
  for (size_t i = 0; i < blocks; ++i) kDecode(data.data() + i * kBytes, values.data() + i * kGridElements);
  return tensor::pack_plain(format, rows, cols, values);
}

void words_of(const tensor::PackedMatrix& from, int64_t begin, int64_t end, std::vector<std::byte>& out) {
  const tensor::Codes codes = tensor::unpack_rows(from, begin, end);
  const auto bytes = std::as_bytes(std::span(codes.codes));
  out.assign(bytes.begin(), bytes.end());
}

void floats_of(const tensor::PackedMatrix& from, int64_t begin, int64_t end, std::vector<std::byte>& out) {
  std::vector<float> values(static_cast<size_t>((end - begin) * from.cols()));
  tensor::dequantize_rows(from, begin, end, values.data());
  const auto bytes = std::as_bytes(std::span(values));
  out.assign(bytes.begin(), bytes.end());
}

constexpr GgmlType kTypes[] = {
#define LOWBIT_GGML_TYPE(id, name, elements, bytes, format, repack, blocks, file_type) \
  {id, name, elements, bytes, format, repack, blocks, file_type},
#define LOWBIT_GGML_BLOCKS(id, name, block, format, file_type) \
  {id, name, block::kElements, block::kBytes, format, repack_blocks<block>, blocks_of<block>, file_type},
#define LOWBIT_GGML_INSTEAD(format, other)
#define LOWBIT_GGML_READ(id, name, block, format) \
  {id, name, block::kElements, block::kBytes, format, repack_blocks<block>, nullptr},
#define LOWBIT_GGML_DECODED(id, name, bytes, decode) \
  {id, name, kGridElements, bytes, "f32", repack_decoded<decode, bytes>, nullptr, 0, true},
#define LOWBIT_GGML_NAME(id, name)
#include "io/ggml_types.inc"
#undef LOWBIT_GGML_NAME
#undef LOWBIT_GGML_DECODED
#undef LOWBIT_GGML_READ
#undef LOWBIT_GGML_BLOCKS
#undef LOWBIT_GGML_TYPE
#undef LOWBIT_GGML_INSTEAD
};

struct TypeName {
  uint32_t id;
  std::string_view name;
};

constexpr TypeName kNames[] = {
#define LOWBIT_GGML_INSTEAD(format, other)
#define LOWBIT_GGML_TYPE(id, name, elements, bytes, format, repack, blocks, file_type) {id, name},
#define LOWBIT_GGML_BLOCKS(id, name, block, format, file_type) {id, name},
#define LOWBIT_GGML_READ(id, name, block, format) {id, name},
#define LOWBIT_GGML_DECODED(id, name, bytes, decode) {id, name},
#define LOWBIT_GGML_NAME(id, name) {id, name},
#include "io/ggml_types.inc"
#undef LOWBIT_GGML_NAME
#undef LOWBIT_GGML_DECODED
#undef LOWBIT_GGML_READ
#undef LOWBIT_GGML_BLOCKS
#undef LOWBIT_GGML_TYPE
#undef LOWBIT_GGML_INSTEAD
};

struct Instead {
  std::string_view format, other;
};

constexpr Instead kInstead[] = {
#define LOWBIT_GGML_INSTEAD(format, other) {format, other},
#define LOWBIT_GGML_TYPE(...)
#define LOWBIT_GGML_BLOCKS(...)
#define LOWBIT_GGML_READ(...)
#define LOWBIT_GGML_DECODED(...)
#define LOWBIT_GGML_NAME(...)
#include "io/ggml_types.inc"
#undef LOWBIT_GGML_NAME
#undef LOWBIT_GGML_DECODED
#undef LOWBIT_GGML_READ
#undef LOWBIT_GGML_BLOCKS
#undef LOWBIT_GGML_TYPE
#undef LOWBIT_GGML_INSTEAD
};

}  // namespace

std::string_view ggml_format_instead(std::string_view format) {
  const auto* found = std::ranges::find(kInstead, format, &Instead::format);
  return found == std::end(kInstead) ? std::string_view("f16") : found->other;
}

std::span<const GgmlType> ggml_types() { return kTypes; }

const GgmlType* find_ggml_type(uint32_t id) {
  const auto* found = std::ranges::find(kTypes, id, &GgmlType::id);
  return found == std::end(kTypes) ? nullptr : found;
}

const GgmlType* find_ggml_type(const formats::Format& format) {
  const std::string text = formats::print(format);
  const auto* found = std::ranges::find_if(
      kTypes, [&](const GgmlType& type) { return type.blocks != nullptr && type.format == text; });
  return found == std::end(kTypes) ? nullptr : found;
}

std::string_view ggml_type_name(uint32_t id) {
  const auto* found = std::ranges::find(kNames, id, &TypeName::id);
  return found == std::end(kNames) ? std::string_view() : found->name;
}

}  // namespace lowbit::io

#include "tensor/packed.h"

#include <algorithm>
#include <cstring>

#include "base/bits.h"
#include "base/check.h"
#include "base/pages.h"
#include "base/rng.h"
#include "tensor/codes_block.h"
#include "tensor/entries.h"
#include "tensor/planes.h"

namespace lowbit::tensor {
namespace {

using formats::ElementFormat;
using formats::Format;
using Section = PackedLayout::Section;

// The place of one group of one row block in a section; not for sections of a whole tensor.
uint64_t entries_offset(const Section& section, int64_t row_block, int64_t group) {
  return section.offset + static_cast<uint64_t>(row_block * section.groups + group) * 2 * section.bits;
}

void pack_section(const std::vector<uint32_t>& from, const Section& section, int64_t row_begin, int64_t row_end,
                  std::span<std::byte> bytes) {
  if (section.groups == 0) {
    LOWBIT_CHECK(from.size() == 1);
    // Only one call writes the single entry, so that calls for different rows can run in parallel.
    if (row_begin == 0) std::memcpy(bytes.data() + section.offset, from.data(), section.bytes);
    return;
  }
  LOWBIT_CHECK(static_cast<int64_t>(from.size()) == (row_end - row_begin) * section.groups);
  for (int64_t row = row_begin; row < row_end; row += kRowBlock) {
    const int64_t rows = std::min(kRowBlock, row_end - row);
    for (int64_t group = 0; group < section.groups; ++group) {
      uint32_t entries[kEntryRows] = {};
      for (int64_t r = 0; r < rows; ++r) entries[r] = from[(row - row_begin + r) * section.groups + group];
      pack_entries(entries, section.bits, bytes.data() + entries_offset(section, row / kRowBlock, group));
    }
  }
}

std::vector<uint32_t> unpack_section(const PackedMatrix& from, const Section& section, int64_t row_begin,
                                     int64_t row_end) {
  const std::byte* bytes = from.bytes().data();
  if (section.groups == 0) return {entry_at(bytes + section.offset, section.bits, 0)};
  const UnpackEntries unpack = unpack_entries_for(section.bits);
  std::vector<uint32_t> out((row_end - row_begin) * section.groups);
  for (int64_t row = row_begin; row < row_end; row += kRowBlock) {
    const int64_t rows = std::min(kRowBlock, row_end - row);
    for (int64_t group = 0; group < section.groups; ++group) {
      uint32_t entries[kEntryRows];
      unpack(bytes + entries_offset(section, row / kRowBlock, group), entries);
      for (int64_t r = 0; r < rows; ++r) out[(row - row_begin + r) * section.groups + group] = entries[r];
    }
  }
  return out;
}

// Codes [rows][cols] of one row block (at most 16 rows) to planes, or to digits of bytes.
void pack_units(const uint16_t* from, int64_t rows, int64_t cols, int width, std::vector<uint8_t>& units,
                std::byte* out) {
  std::fill(units.begin(), units.end(), uint8_t{0});
  uint16_t most = 0;
  for (int64_t r = 0; r < rows; ++r, from += cols) {
    for (int64_t c = 0; c < cols; ++c) most = std::max(most, from[c]);
    uint8_t* to = units.data() + r * kUnitColumns;
    int64_t c = 0;
    for (; c + kUnitColumns <= cols; c += kUnitColumns, to += kVectorBytes) {
      for (int64_t i = 0; i < kUnitColumns; ++i) to[i] = static_cast<uint8_t>(from[c + i]);
    }
    for (; c < cols; ++c, ++to) *to = static_cast<uint8_t>(from[c]);
  }
  LOWBIT_CHECK(most < (width == kTrits ? 3 : 1 << width));
  pack_codes_block(units.data(), width, cols, out);
}

void pack_words(const uint16_t* from, int64_t rows, int64_t cols, int bits, std::byte* out) {
  uint32_t seen = 0;
  for (int64_t c = 0; c < cols; ++c) {
    uint16_t column[kRowBlock] = {};
    for (int64_t r = 0; r < rows; ++r) seen |= column[r] = from[r * cols + c];
    std::memcpy(out + c * sizeof(column), column, sizeof(column));
  }
  LOWBIT_CHECK((seen >> bits) == 0);
}

void check_rows(const PackedMatrix& matrix, int64_t row_begin, int64_t row_end) {
  LOWBIT_CHECK(0 <= row_begin && row_begin <= row_end && row_end <= matrix.rows() && row_begin % kRowBlock == 0);
}

void pack_floats(std::span<const float> values, PackedMatrix& to) {
  const int64_t rows = to.rows(), cols = to.cols();
  std::byte* out = to.writable().data();
  for (int64_t row = 0; row < rows; ++row) {
    std::byte* at = out + (row / kRowBlock * cols * kRowBlock + row % kRowBlock) * sizeof(float);
    for (int64_t c = 0; c < cols; ++c) {
      std::memcpy(at + c * kRowBlock * sizeof(float), &values[row * cols + c], sizeof(float));
    }
  }
}

}  // namespace

Result<PackedMatrix> PackedMatrix::view(const Format& format, int64_t rows, int64_t cols,
                                        std::span<const std::byte> bytes, std::shared_ptr<const void> owner) {
  PackedMatrix matrix;
  LOWBIT_ASSIGN(matrix.layout_, PackedLayout::of(format, rows, cols));
  if (bytes.size() != matrix.layout_.total_bytes) {
    return errorf("{} bytes for {} x {} elements of format {}; expected {}", bytes.size(), rows, cols,
                  formats::print(format), matrix.layout_.total_bytes);
  }
  matrix.format_ = format;
  matrix.rows_ = rows;
  matrix.cols_ = cols;
  matrix.bytes_ = bytes;
  matrix.owner_ = std::move(owner);
  return matrix;
}

Result<PackedMatrix> PackedMatrix::allocate(const Format& format, int64_t rows, int64_t cols) {
  PackedMatrix matrix;
  LOWBIT_ASSIGN(matrix.layout_, PackedLayout::of(format, rows, cols));
  LOWBIT_ASSIGN(std::shared_ptr<std::byte> storage, allocate_pages(matrix.layout_.total_bytes));
  matrix.format_ = format;
  matrix.rows_ = rows;
  matrix.cols_ = cols;
  matrix.bytes_ = {storage.get(), matrix.layout_.total_bytes};
  matrix.owner_ = std::move(storage);
  matrix.writable_ = true;
  return matrix;
}

std::span<std::byte> PackedMatrix::writable() {
  LOWBIT_CHECK(writable_);
  return {const_cast<std::byte*>(bytes_.data()), bytes_.size()};
}

void pack_rows(const Codes& from, int64_t row_begin, int64_t row_end, PackedMatrix& to) {
  check_rows(to, row_begin, row_end);
  // A cut inside a row block would leave entries of two calls in one byte.
  LOWBIT_CHECK(row_end % kRowBlock == 0 || row_end == to.rows());
  const int64_t cols = to.cols();
  const int bits = to.format().element.bits;
  const std::span<std::byte> bytes = to.writable();
  LOWBIT_CHECK(static_cast<int64_t>(from.codes.size()) == (bits > 16 ? 0 : (row_end - row_begin) * cols));
  std::vector<uint8_t> units(bits <= 8 ? padded_units(cols) * kVectorBytes : 0);
  for (int64_t row = row_begin; row < row_end && bits <= 16; row += kRowBlock) {
    const uint16_t* codes = from.codes.data() + (row - row_begin) * cols;
    const int64_t rows = std::min(kRowBlock, row_end - row);
    if (bits <= 8) {
      const int width = code_width(to.format().element);
      std::byte* out = bytes.data() + row / kRowBlock * row_block_code_bytes(width, cols);
      pack_units(codes, rows, cols, width, units, out);
    } else {
      pack_words(codes, rows, cols, bits, bytes.data() + row * cols * 2);
    }
  }
  const PackedLayout& layout = to.layout();
  LOWBIT_CHECK(from.scales.size() == layout.scales.size() && from.minimums.size() <= layout.minimums.size());
  for (size_t level = 0; level < layout.scales.size(); ++level) {
    pack_section(from.scales[level], layout.scales[level], row_begin, row_end, bytes);
    const bool given = level < from.minimums.size() && !from.minimums[level].empty();
    LOWBIT_CHECK(given == (layout.minimums[level].bytes > 0) || row_begin == row_end);
    if (given) pack_section(from.minimums[level], layout.minimums[level], row_begin, row_end, bytes);
  }
}

Codes unpack_rows(const PackedMatrix& from, int64_t row_begin, int64_t row_end) {
  check_rows(from, row_begin, row_end);
  const int64_t cols = from.cols();
  Codes out;
  if (from.format().element.bits <= 16) {
    out.codes.resize((row_end - row_begin) * cols);
    for (int64_t row = row_begin; row < row_end; ++row) {
      unpack_codes_row(from, row, out.codes.data() + (row - row_begin) * cols);
    }
  }
  const PackedLayout& layout = from.layout();
  for (size_t level = 0; level < layout.scales.size(); ++level) {
    out.scales.push_back(unpack_section(from, layout.scales[level], row_begin, row_end));
    const Section& minimum = layout.minimums[level];
    out.minimums.push_back(minimum.bytes == 0 ? std::vector<uint32_t>()
                                              : unpack_section(from, minimum, row_begin, row_end));
  }
  return out;
}

Result<PackedMatrix> pack_plain(const Format& format, int64_t rows, int64_t cols, std::span<const float> values,
                                const formats::CastPolicy& policy) {
  if (!format.is_plain()) return errorf("format {} has scales; expected a plain element", formats::print(format));
  LOWBIT_ASSIGN(PackedMatrix matrix, PackedMatrix::allocate(format, rows, cols));
  LOWBIT_CHECK(static_cast<int64_t>(values.size()) == rows * cols);
  const ElementFormat& element = format.element;
  if (element.bits == 32) {
    pack_floats(values, matrix);
    return matrix;
  }
  const bool stochastic = formats::is_stochastic(policy.rounding);
  Codes codes;
  for (int64_t row = 0; row < rows; row += kRowBlock) {
    const int64_t row_end = std::min(row + kRowBlock, rows);
    codes.codes.resize((row_end - row) * cols);
    for (int64_t i = 0; i < static_cast<int64_t>(codes.codes.size()); ++i) {
      const int64_t at = row * cols + i;
      const uint32_t random = stochastic ? philox(0, 0, static_cast<uint64_t>(at))[0] : 0;
      codes.codes[i] = static_cast<uint16_t>(formats::encode(element, values[at], policy, random));
    }
    pack_rows(codes, row, row_end, matrix);
  }
  return matrix;
}

}  // namespace lowbit::tensor

// Where bits lie: one layout for every format, the same on every ISA, in memory and in files.
//
// A weight is a matrix of `rows` outputs by `cols` inputs (the reduction). Rows are taken in blocks of 16, columns in
// units of 4, so that one unit is 16 x 4 = 64 codes, one vector register. Codes of b <= 8 bits are split into planes
// of 4, 2 and 1 bits (b = 8: one plane of 8), high bits first: b = 5 is a plane of 4 (the high bits) and a plane
// of 1. A plane of w bits holds, in each 64-byte vector, the bits of 8/w consecutive units: bit field j (from the low
// end) of byte 4*r + c belongs to row r, column 4*(unit + j) + c. A step of 32 columns (8 units) of one row block is
// therefore 64*b bytes: plane after plane. Columns are padded to a multiple of 32 and rows to a multiple of 16 with
// code 0 (padding never reaches a result). Elements of more than 8 bits are stored as whole words (2 or 4 bytes), row
// block by row block, column by column, 16 rows together; columns are not padded.
//
// Codes of a list of three values (`ternary`) are stored five to a byte, 1.6 bits each: each 64-byte vector holds 5
// consecutive units of a row block, unit u the digit u % 5 (simd/trits.h) of the bytes of vector u / 5. The last
// vector of a row block is filled up: 0.1 % of 4096 columns, 0.7 % of 576.
//
// Scale sections follow the codes: for each level from the inside out its scales, then its zero points or minima. In
// a section, entry (row block, group, row in block) is number (block * groups + group) * 16 + row, bit-packed with
// the width of its element, little-endian, so that each group of a row block starts at a byte. A level for the whole
// tensor has one entry. Sections start at multiples of 64 bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "formats/format.h"

namespace lowbit::tensor {

constexpr int64_t kRowBlock = 16;
constexpr int64_t kColumnStep = 32;
constexpr int64_t kSectionAlignment = 64;

// Byte offsets of the sections of a packed matrix.
struct PackedLayout {
  struct Section {
    uint64_t offset = 0, bytes = 0;
    int bits = 0;        // width of an entry
    int64_t groups = 0;  // along the reduction; 1 for rows, 0 for a whole tensor
    int64_t group = 0;   // columns of a group (the row length for kGroupRow and kGroupTensor)
  };
  uint64_t code_bytes = 0;
  std::vector<Section> scales;    // one per level
  std::vector<Section> minimums;  // one per level; bytes == 0 where the level has none. Zero points stand in level 0.
  uint64_t total_bytes = 0;

  // An error where sizes overflow or a dimension is not positive.
  static Result<PackedLayout> of(const formats::Format& format, int64_t rows, int64_t cols);
};

// Codes and scales of a matrix before they are packed: one entry per element and per group, row by row.
// This is what rounding methods write and tests compare.
struct Codes {
  std::vector<uint16_t> codes;                // [rows * cols]; f32 elements are not held here
  std::vector<std::vector<uint32_t>> scales;  // per level: [rows * groups] codes of the scale element (f32: its bits)
  std::vector<std::vector<uint32_t>> minimums;  // per level: likewise, or zero points; empty where the level has none
};

class PackedMatrix {
 public:
  PackedMatrix() = default;
  // A view of bytes that `owner` keeps alive (a memory map); bytes must have exactly layout.total_bytes.
  static Result<PackedMatrix> view(const formats::Format& format, int64_t rows, int64_t cols,
                                   std::span<const std::byte> bytes, std::shared_ptr<const void> owner);
  // Zero-filled, writable storage of its own, aligned to 64 bytes.
  static Result<PackedMatrix> allocate(const formats::Format& format, int64_t rows, int64_t cols);

  const formats::Format& format() const { return format_; }
  int64_t rows() const { return rows_; }
  int64_t cols() const { return cols_; }
  const PackedLayout& layout() const { return layout_; }
  std::span<const std::byte> bytes() const { return bytes_; }
  std::span<std::byte> writable();  // only of allocate()d storage
  std::span<const std::byte> section(const PackedLayout::Section& s) const {
    return bytes_.subspan(s.offset, s.bytes);
  }

 private:
  formats::Format format_;
  int64_t rows_ = 0, cols_ = 0;
  PackedLayout layout_;
  std::span<const std::byte> bytes_;
  std::shared_ptr<const void> owner_;
  bool writable_ = false;
};

// Codes -> packed bytes and back. Rows [row_begin, row_end) of `to`, row_begin a multiple of 16; `from` holds exactly
// those rows. Exact inverse of unpack.
void pack_rows(const Codes& from, int64_t row_begin, int64_t row_end, PackedMatrix& to);
Codes unpack_rows(const PackedMatrix& from, int64_t row_begin, int64_t row_end);

// Values of rows [row_begin, row_end) as floats, [rows][cols], by the definition in formats/format.h. Plain f32
// elements included. The oracle that every kernel's unpacking is compared with.
void dequantize_rows(const PackedMatrix& from, int64_t row_begin, int64_t row_end, float* out);

// One packed matrix from floats [rows][cols] of a plain element (f32, f16, bf16, e4m3fn, ...), each value encoded by
// itself; block formats go through quant.
Result<PackedMatrix> pack_plain(const formats::Format& format, int64_t rows, int64_t cols,
                                std::span<const float> values, const formats::CastPolicy& policy = {});

}  // namespace lowbit::tensor

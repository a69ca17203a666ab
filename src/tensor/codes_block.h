// Codes of one row block as bytes in units, and back: the portable definition of the planes of packed.h.
#pragma once

#include <cstdint>

#include "tensor/packed.h"

namespace lowbit::tensor {

// Units of a row block of `cols` columns, padding included.
constexpr int64_t padded_units(int64_t cols) { return (cols + kColumnStep - 1) / kColumnStep * (kColumnStep / 4); }

// The width (planes.h) of an element of at most 8 bits.
int code_width(const formats::ElementFormat& element);

// Bytes of the codes of one row block.
int64_t row_block_code_bytes(int width, int64_t cols);

// Codes of at most 8 bits of row block `row_block`: out is [padded_units(cols)][16 rows][4 columns], one byte each;
// padding comes out as it is stored (0). Every ISA's unpacking is compared with this.
void unpack_codes_block(const PackedMatrix& from, int64_t row_block, uint8_t* out);

// The inverse: in as above, out is row_block_code_bytes(width, cols) bytes.
void pack_codes_block(const uint8_t* in, int width, int64_t cols, std::byte* out);

// The codes of one row, [cols]; elements of at most 16 bits.
void unpack_codes_row(const PackedMatrix& from, int64_t row, uint16_t* out);

}  // namespace lowbit::tensor

// Bit-packed scale entries: 16 rows of one group of one row block stand in 2 * bits bytes, little-endian.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace lowbit::tensor {

static_assert(std::endian::native == std::endian::little, "packed data are read as little-endian words");

constexpr int kEntryRows = 16;

// Reads the 16 entries that start at `in`.
using UnpackEntries = void (*)(const std::byte* in, uint32_t out[kEntryRows]);

// The reader for entries of 1 to 16 or 32 bits.
UnpackEntries unpack_entries_for(int bits);

// Reads `groups` times 16 entries as values: table[entry], or for 32 bits (then table is null) the float of these
// bits.
using DecodeEntries = void (*)(const std::byte* in, int64_t groups, const float* table, float* out);

// The reader of values for entries of 1 to 16 or 32 bits.
DecodeEntries decode_entries_for(int bits);

// Writes 16 entries to `out`; bits is 1 to 16 or 32, and every entry is below 2^bits.
void pack_entries(const uint32_t in[kEntryRows], int bits, std::byte* out);

// Entry `index` of a section of entries of `bits` bits (1 to 32).
uint32_t entry_at(const std::byte* section, int bits, uint64_t index);

}  // namespace lowbit::tensor

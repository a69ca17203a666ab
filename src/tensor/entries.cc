#include "tensor/entries.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace lowbit::tensor {
namespace {

// Eight entries fill exactly kBits bytes, so each half of a group is read by itself.
template <int kBits>
void unpack_entries(const std::byte* in, uint32_t out[kEntryRows]) {
  constexpr uint32_t kMask = (1u << kBits) - 1;
  for (int half = 0; half < 2; ++half, in += kBits, out += 8) {
    if constexpr (kBits <= 8) {
      uint64_t word = 0;
      std::memcpy(&word, in, kBits);
      for (int i = 0; i < 8; ++i) out[i] = static_cast<uint32_t>(word >> (i * kBits)) & kMask;
    } else {
      unsigned __int128 word = 0;
      std::memcpy(&word, in, kBits);
      for (int i = 0; i < 8; ++i) out[i] = static_cast<uint32_t>(word >> (i * kBits)) & kMask;
    }
  }
}

void unpack_words(const std::byte* in, uint32_t out[kEntryRows]) { std::memcpy(out, in, kEntryRows * 4); }

template <int kBits>
void decode_entries(const std::byte* in, int64_t groups, const float* table, float* out) {
  for (int64_t g = 0; g < groups; ++g, in += 2 * kBits, out += kEntryRows) {
    uint32_t codes[kEntryRows];
    unpack_entries<kBits>(in, codes);
    for (int r = 0; r < kEntryRows; ++r) out[r] = table[codes[r]];
  }
}

void decode_words(const std::byte* in, int64_t groups, const float* /*table*/, float* out) {
  std::memcpy(out, in, static_cast<size_t>(groups) * kEntryRows * sizeof(float));
}

template <int... kIndex>
constexpr std::array<UnpackEntries, sizeof...(kIndex)> make_unpackers(std::integer_sequence<int, kIndex...>) {
  return {&unpack_entries<kIndex + 1>...};
}
template <int... kIndex>
constexpr std::array<DecodeEntries, sizeof...(kIndex)> make_decoders(std::integer_sequence<int, kIndex...>) {
  return {&decode_entries<kIndex + 1>...};
}
constexpr auto kUnpackers = make_unpackers(std::make_integer_sequence<int, 16>());
constexpr auto kDecoders = make_decoders(std::make_integer_sequence<int, 16>());

}  // namespace

UnpackEntries unpack_entries_for(int bits) {
  if (bits == 32) return unpack_words;
  LOWBIT_CHECK(bits >= 1 && bits <= 16);
  return kUnpackers[bits - 1];
}

DecodeEntries decode_entries_for(int bits) {
  if (bits == 32) return decode_words;
  LOWBIT_CHECK(bits >= 1 && bits <= 16);
  return kDecoders[bits - 1];
}

void pack_entries(const uint32_t in[kEntryRows], int bits, std::byte* out) {
  uint64_t pending = 0;
  int held = 0;
  for (int i = 0; i < kEntryRows; ++i) {
    LOWBIT_CHECK(bits == 32 || (in[i] >> bits) == 0);
    pending |= static_cast<uint64_t>(in[i]) << held;
    for (held += bits; held >= 8; held -= 8) {
      *out++ = static_cast<std::byte>(pending & 0xff);
      pending >>= 8;
    }
  }
}

uint32_t entry_at(const std::byte* section, int bits, uint64_t index) {
  // index * bits would overflow for no section that fits in memory: bytes are below 2^60.
  const uint64_t first_bit = index * static_cast<uint64_t>(bits);
  const uint64_t first = first_bit / 8;
  const int skip = static_cast<int>(first_bit % 8);
  uint64_t word = 0;
  std::memcpy(&word, section + first, (skip + bits + 7) / 8);
  return static_cast<uint32_t>((word >> skip) & ((uint64_t{1} << bits) - 1));
}

}  // namespace lowbit::tensor

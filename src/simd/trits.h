// Five digits of three values in a byte: 28 (3 d0 + d1) + 9 d2 + 3 d3 + d4. The step of 28 where 27 would do makes
// the upper six bits of a byte alone give d0 and d1: a table of 64 bytes is one instruction of AVX-512.
#pragma once

#include <cstdint>

namespace lowbit::simd {

constexpr int kTritsPerByte = 5;
constexpr int kTritPlaces[kTritsPerByte] = {84, 28, 9, 3, 1};  // what a digit counts

// Digit `place` of a byte; of the 13 bytes that are no sum of digits it is one of 0 to 2, too.
static constexpr uint8_t trit(uint8_t byte, int place) {
  const int most = byte / 28, pair = most < 8 ? most : 8;
  const int left = byte - 28 * most, rest = left < 26 ? left : 26;
  const int pairs[] = {pair / 3, pair % 3, rest / 9, rest / 3 % 3, rest % 3};
  return static_cast<uint8_t>(pairs[place]);
}

// A table of bytes by index, for the registers that look digits up.
template <int Size>
struct alignas(Size) TritTable {
  uint8_t entry[Size];
};
template <int Size, class Entry>
static constexpr TritTable<Size> trit_table(Entry entry) {
  TritTable<Size> t = {};
  for (int i = 0; i < Size; ++i) t.entry[i] = static_cast<uint8_t>(entry(i));
  return t;
}

}  // namespace lowbit::simd

#include "kernels/matmul/pairs.h"

#include <algorithm>
#include <cstring>

#include "base/bits.h"

namespace lowbit::kernels {

namespace {

// By the bits of the least and the greatest magnitude of what is not 0; least: less one, so that 0 is none.
int exponent_of(uint32_t least, uint32_t most) {
  constexpr uint32_t kInfinity = 0x7F80, kNormal = 0x80;
  if (most == 0) return 0;
  if (most >= kInfinity || least + 1 < kNormal) return kUnpaired;
  return static_cast<int>((least + 1) >> 7) - 127 - 7;
}

}  // namespace

int common_exponent(std::span<const uint16_t> bf16) {
  uint16_t least = 0xFFFF, most = 0;
  for (const uint16_t word : bf16) {
    const auto magnitude = static_cast<uint16_t>(word & 0x7FFF);
    least = std::min(least, static_cast<uint16_t>(magnitude - 1));
    most = std::max(most, magnitude);
  }
  return exponent_of(least, most);
}

int common_exponent(std::span<const float> values) {
  uint32_t lower = 0, least = ~uint32_t{0}, most = 0;
  for (const float value : values) {
    const uint32_t bits = float_bits(value), magnitude = bits & 0x7FFFFFFF;
    lower |= bits;
    least = std::min(least, magnitude - 1);
    most = std::max(most, magnitude);
  }
  if ((lower & 0xFFFF) != 0) return kUnpaired;
  return exponent_of((least + 1) / 0x10000 - 1, most >> 16);
}

void pair_up(const float* values, int64_t count, float* words) {
  const auto word = [](uint32_t first, uint32_t second) { return (first & 0xFFFF0000) | second >> 16; };
  for (int64_t i = 0; i < count / 2; ++i)
    words[i] = bits_float(word(float_bits(values[2 * i]), float_bits(values[2 * i + 1])));
  if (count % 2 != 0) words[count / 2] = values[count - 1];
}

}  // namespace lowbit::kernels

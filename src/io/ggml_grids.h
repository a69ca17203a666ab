// The blocks of GGUF's i-quants of 1 to 3 bits, whose codes are points of a grid: decoded to values, since lowbit has
// no packed form for them.
#pragma once

#include <cstddef>

namespace lowbit::io {

constexpr int kGridElements = 256;  // of every such block

// Each decodes one block to 256 values, all of them exact in f32.
void decode_iq1_s(const std::byte* block, float* out);    // 50 bytes
void decode_iq1_m(const std::byte* block, float* out);    // 56 bytes
void decode_iq2_xxs(const std::byte* block, float* out);  // 66 bytes
void decode_iq2_xs(const std::byte* block, float* out);   // 74 bytes
void decode_iq2_s(const std::byte* block, float* out);    // 82 bytes
void decode_iq3_xxs(const std::byte* block, float* out);  // 98 bytes
void decode_iq3_s(const std::byte* block, float* out);    // 110 bytes

}  // namespace lowbit::io

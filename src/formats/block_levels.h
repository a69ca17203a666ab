// Blocks with any number of levels of scales, of one row or several: the definition of block.h, level by level.
// Internal to the formats room.
#pragma once

#include <span>

#include "formats/block.h"

namespace lowbit::formats {

// Codes and all scales; CHECKs nothing.
Blocks encode_levels(const Format& format, std::span<const float> values, int64_t cols, const BlockOptions& options);
void decode_levels(const Format& format, const Blocks& blocks, std::span<float> out, const ArrayOptions& options);
void cast_levels(const Format& format, std::span<const float> values, int64_t cols, std::span<float> out,
                 const BlockOptions& options);

}  // namespace lowbit::formats

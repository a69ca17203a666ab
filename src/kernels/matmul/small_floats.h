// Which elements are floats that arithmetic decodes (simd/small_float.h).
#pragma once

#include <optional>
#include <span>

#include "simd/small_float.h"

namespace lowbit::kernels {

// values: of all codes. Nothing where no exponent and mantissa give them.
std::optional<simd::SmallFloat> small_float_of(std::span<const float> values);

// f's values times `factor` and then `unit`, each product rounded, in one; nothing where that has other bits.
std::optional<simd::SmallFloat> scaled(const simd::SmallFloat& f, int codes, float factor, float unit);

}  // namespace lowbit::kernels

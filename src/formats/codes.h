// The codes of a float element by their role. Internal to the formats room.
#pragma once

#include <cstdint>
#include <optional>

#include "formats/format.h"

namespace lowbit::formats {

// 2^k as a double, -1022 <= k <= 1023.
double power_of_two(int k);

// Magnitude code (no sign bit) of the largest finite value.
uint32_t max_magnitude(const ElementFormat& f);
// The sign bit of the code, 0 for unsigned elements.
uint32_t sign_mask(const ElementFormat& f);
// The code that encode() gives for NaN and for +infinity; empty where the element has none.
std::optional<uint32_t> nan_code(const ElementFormat& f);
std::optional<uint32_t> infinity_code(const ElementFormat& f);

// What a descriptor should have been (the end of a sentence "expected ..."); null where it is an element of the
// language. Values must be exact in float, codes have at most 16 bits or are those of f32, and a float has at least
// two finite magnitudes.
const char* element_defect(const ElementFormat& f);

}  // namespace lowbit::formats

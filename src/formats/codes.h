// The codes of a float element by their role. Internal to the formats room.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "formats/format.h"

namespace lowbit::formats {

// 2^k as a double, -1022 <= k <= 1023.
double power_of_two(int k);

// Magnitude code (no sign bit) of the largest finite value of a float.
uint32_t max_magnitude(const ElementFormat& f);
// The sign bit of the code, 0 for unsigned elements.
uint32_t sign_mask(const ElementFormat& f);
// The code that encode() gives for NaN and for +infinity; empty where the element has none.
std::optional<uint32_t> nan_code(const ElementFormat& f);
std::optional<uint32_t> infinity_code(const ElementFormat& f);

// decode_table() with NaN behind it: an entry for every pattern of 16 bits, of an element of at most so many.
std::span<const float> padded_table(const ElementFormat& format);

// What a float should have been (the end of a sentence "expected ..."); null where it is an element of the language:
// codes of at most 16 bits, or those of tf32 or f32; at least two finite magnitudes.
const char* element_defect(const ElementFormat& f);

// What an element of a Format should have been: one of at most 16 bits or f32, whose values floats hold (or, as they
// are irrational, are rounded to). Null: it is.
const char* storage_defect(const ElementFormat& f);

}  // namespace lowbit::formats

// Exact sums: a two's complement integer over 64-bit limbs, the least first, that stands for integer * 2^scale.
#pragma once

#include <cstdint>
#include <span>

#include "formats/exact.h"

namespace lowbit::arith {

// Adds +-value * 2^bit; bits that would fall below the integer must be 0. Wraps at the upper end.
void add_at(std::span<uint64_t> limbs, uint64_t value, int64_t bit, bool negative);

bool is_zero(std::span<const uint64_t> limbs);

// integer * 2^scale + tail, where the tail is less than a unit of the integer and given by its sign: -1, 0, 1. With a
// tail the integer must have more than 64 significant bits. An integer of 0 without tail is +0.
formats::Exact read_fixed(std::span<const uint64_t> limbs, int64_t scale, int tail = 0);

}  // namespace lowbit::arith

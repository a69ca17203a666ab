// Results of operations on every code or pair of codes of elements of at most 8 bits, so that an operation is one
// load.
#pragma once

#include <cstdint>

#include "arith/multiplier.h"
#include "arith/operations.h"

namespace lowbit::arith {

// What apply() gives for every operand: of two operands a and b at index (a << bits) | b, of one at index a. Made at
// the first use (65536 results take some milliseconds), kept as long as the program; any thread may ask. Null where
// there is no table: elements of more than 8 bits, stochastic roundings, operations of three operands.
const uint8_t* result_table(Operation op, const ElementFormat& format, const CastPolicy& policy);

// The same for the product of a multiplier that supports the format.
const uint8_t* product_table(const Multiplier& multiplier, const ElementFormat& format, const CastPolicy& policy);

}  // namespace lowbit::arith

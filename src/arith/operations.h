// Operations in a format: decode, compute on exact numbers, encode once (IEEE P3109: decode, operate, project).
//
// On Exact: operands are numbers without `sticky` (those that codes mean); results hold the 64 leading bits and
// `sticky`, so that any later single rounding is that of the exact result. Special cases are those of IEEE 754: 0 /
// 0, infinity - infinity, 0 * infinity, infinity / infinity and roots of negative numbers are NaN; x / 0 is infinite;
// the root of -0 is -0. A sum of opposite numbers is +0, but -0 where the rounding is `down`: this is why sums ask
// for it.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "formats/exact.h"
#include "formats/format.h"

namespace lowbit::arith {

using formats::CastPolicy;
using formats::ElementFormat;
using formats::Exact;
using formats::Rounding;

Exact add(const Exact& a, const Exact& b, Rounding rounding);
Exact subtract(const Exact& a, const Exact& b, Rounding rounding);
Exact multiply(const Exact& a, const Exact& b);
Exact divide(const Exact& a, const Exact& b);
Exact square_root(const Exact& a);
// a * b + c.
Exact fma(const Exact& a, const Exact& b, const Exact& c, Rounding rounding);
// a + b + c.
Exact faa(const Exact& a, const Exact& b, const Exact& c, Rounding rounding);
// -a; NaN stays.
Exact negate(const Exact& a);

enum class Operation : uint8_t {
#define LOWBIT_OPERATION(name, operands, function, meaning) name,
#include "arith/operations.inc"
#undef LOWBIT_OPERATION
};

struct OperationRow {
  std::string_view name;
  int operands = 0;
  Exact (*compute)(const Exact* operands, Rounding rounding) = nullptr;
  std::string_view meaning;
};
// Indexed by Operation.
std::span<const OperationRow> operations();
inline const OperationRow& row_of(Operation op) { return operations()[static_cast<size_t>(op)]; }

// A code and what it means.
struct Operand {
  const ElementFormat& format;
  uint32_t code = 0;
};

// The code, in `result`, of an operation on codes: as many operands as the row says, each in a format of its own.
// A zero of a format without -0 (P3109, FNUZ, posits, integers, unsigned floats) says nothing of its sign: dividing
// by it gives NaN, as P3109 and the posit standard have it. NaN where the result has none: as encode() does.
uint32_t apply(Operation op, std::span<const Operand> operands, const ElementFormat& result, const CastPolicy& policy,
               uint32_t random = 0);
// Operands and result in one format.
uint32_t apply(Operation op, const ElementFormat& format, uint32_t a, const CastPolicy& policy, uint32_t random = 0);
uint32_t apply(Operation op, const ElementFormat& format, uint32_t a, uint32_t b, const CastPolicy& policy,
               uint32_t random = 0);
uint32_t apply(Operation op, const ElementFormat& format, uint32_t a, uint32_t b, uint32_t c,
               const CastPolicy& policy, uint32_t random = 0);
// From one format to another, rounded once.
uint32_t convert(const ElementFormat& from, uint32_t code, const ElementFormat& to, const CastPolicy& policy,
                 uint32_t random = 0);

// Has the format a code of -0 besides that of 0?
bool has_negative_zero(const ElementFormat& format);

}  // namespace lowbit::arith

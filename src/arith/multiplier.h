// Multipliers that replace the product: approximate hardware, each defined by one number per pair of operands.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "arith/operations.h"
#include "base/result.h"

namespace lowbit::arith {

struct Multiplier {
  std::string_view name;
  // Of two numbers of the format. Special numbers (NaN, infinities, zeros) are those of an exact product in all of
  // them.
  Exact (*product)(const ElementFormat& format, const Exact& a, const Exact& b) = nullptr;
  // Null, or what the format should have been.
  const char* (*unsupported)(const ElementFormat& format) = nullptr;
  std::string_view source;
};
std::span<const Multiplier> multipliers();
const Multiplier& exact_multiplier();

// By name, for a format; the error names what there is.
Result<const Multiplier*> find_multiplier(std::string_view name, const ElementFormat& format);

uint32_t multiply(const Multiplier& multiplier, const ElementFormat& format, uint32_t a, uint32_t b,
                  const CastPolicy& policy, uint32_t random = 0);

}  // namespace lowbit::arith

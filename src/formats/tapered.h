// Elements whose negative codes are the two's complement of the positive ones and that round by their bit string:
// posits, takums. Code 10...0 is NaN (NaR), code 0 zero.
#pragma once

#include <functional>
#include <string>

#include "formats/codebook.h"

namespace lowbit::formats {

// The value of a positive code (0 < code < 2^(bits-1)) of `bits` bits.
using PositiveValue = std::function<Exact(uint32_t code, int bits)>;

// Nearest changes at the value with one bit more; nothing but zero rounds to zero.
ElementFormat make_tapered(std::string name, int bits, CodebookRules rules, const PositiveValue& value);

}  // namespace lowbit::formats

// Decimal text as an exact number.
#pragma once

#include <optional>
#include <string_view>

#include "formats/exact.h"

namespace lowbit::arith {

// "12", "-.5", "1.25e-3", "inf", "infinity", "nan" in any case, digits separated by ' as in C++; to 64 bits and
// sticky, whatever the length. Empty: the text is no such number.
std::optional<formats::Exact> parse_decimal(std::string_view text);

}  // namespace lowbit::arith

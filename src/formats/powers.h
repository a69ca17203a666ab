// Powers with irrational values, for families whose values are such: without libm, the same on every machine.
#pragma once

#include <cstdint>

#include "formats/exact.h"

namespace lowbit::formats {

// Each result is the power itself where that is a power of two (an exponent without fraction), else its first 64 bits
// with `sticky`: an irrational number is never one of 64 bits, and compare() with a number of 64 bits is that with
// the power itself. Computed to more than 100 bits; that the first 64 are right is tested against MPFR, for every
// power that lns and takum need.

// 2^(k / 2^fraction_bits); |k| < 2^26, 0 <= fraction_bits <= 26, the exponent below 1024 in magnitude.
Exact exp2_of(int64_t k, int fraction_bits);
// e^(k / 2^fraction_bits); as above, the exponent below 700.
Exact exp_of(int64_t k, int fraction_bits);
// (q / m)^(100 / hundredths): 1 <= q <= m < 2^15, 5 <= hundredths; m odd, so that no result but 1 has finitely many
// binary digits.
Exact root_of_ratio(uint32_t q, uint32_t m, int hundredths);

}  // namespace lowbit::formats

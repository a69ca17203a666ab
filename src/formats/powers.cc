#include "formats/powers.h"

#include <bit>

#include "base/check.h"

namespace lowbit::formats {
namespace {

using Wide = unsigned __int128;
using Fixed = __int128;  // in units of 2^-kBits
constexpr int kBits = 114;

constexpr Wide wide(uint64_t high, uint64_t low) { return (Wide{high} << 64) | low; }
constexpr Wide kLn2 = wide(0xb17217f7d1cf79ab, 0xc9e3b39803f2f6af);    // ln 2, in units of 2^-128
constexpr Wide kLog2E = wide(0xb8aa3b295c17f0bb, 0xbe87fed0691d3e88);  // log2 e, in units of 2^-127

// floor(a * b / 2^128).
Wide high_product(Wide a, Wide b) {
  const uint64_t a1 = static_cast<uint64_t>(a >> 64), a0 = static_cast<uint64_t>(a);
  const uint64_t b1 = static_cast<uint64_t>(b >> 64), b0 = static_cast<uint64_t>(b);
  const Wide low = Wide{a0} * b0, middle = Wide{a1} * b0 + (low >> 64);
  const Wide other = Wide{a0} * b1 + static_cast<uint64_t>(middle);
  return Wide{a1} * b1 + (middle >> 64) + (other >> 64);
}

// 2^y.
Exact exp2_fixed(Fixed y) {
  const auto whole = static_cast<int64_t>(y >> kBits);
  const Wide fraction = static_cast<Wide>(y) & ((Wide{1} << kBits) - 1);
  if (fraction == 0) return Exact::finite(false, 1, whole);
  // e^t by its series, in units of 2^-126; t < 0.7, and t^34 / 34! < 2^-144.
  constexpr int kTerms = 33;
  const Wide t = high_product(fraction << (128 - kBits), kLn2);
  constexpr Wide kOne = Wide{1} << 126;
  Wide sum = kOne;
  for (unsigned n = kTerms; n >= 1; --n) sum = kOne + high_product(t, sum) / n;
  LOWBIT_CHECK(sum >> 127 == 0);
  return Exact::finite(false, static_cast<uint64_t>(sum >> 63), whole - 63, true);
}

// log2 of 1 <= q < 2^32: the digits of the fraction one by one, by squaring.
Fixed log2_of(uint32_t q) {
  const int lead = std::bit_width(q) - 1;
  Fixed log = Fixed{lead} << kBits;
  Wide x = Wide{q} << (127 - lead);  // in [1, 2), in units of 2^-127
  if (std::has_single_bit(q)) return log;
  for (int bit = kBits - 1; bit >= 0; --bit) {
    x = high_product(x, x);  // in [1, 4), in units of 2^-126
    if (x >> 127 != 0) {
      log |= Fixed{1} << bit;  // half of it, in units of 2^-127, is the same integer
    } else {
      x <<= 1;
    }
  }
  return log;
}

}  // namespace

Exact exp2_of(int64_t k, int fraction_bits) {
  LOWBIT_CHECK(fraction_bits >= 0 && fraction_bits <= 26 && k > -(1 << 26) && k < (1 << 26));
  return exp2_fixed(Fixed{k} * (Fixed{1} << (kBits - fraction_bits)));
}

Exact exp_of(int64_t k, int fraction_bits) {
  LOWBIT_CHECK(fraction_bits >= 0 && fraction_bits <= 26 && k > -(1 << 26) && k < (1 << 26));
  const uint64_t magnitude = static_cast<uint64_t>(k < 0 ? -k : k);
  const Wide high = Wide{static_cast<uint64_t>(kLog2E >> 64)} * magnitude;
  const Wide low = Wide{static_cast<uint64_t>(kLog2E)} * magnitude;
  const int down = 127 + fraction_bits - kBits;  // of high * 2^64 + low
  const auto y = static_cast<Fixed>((down <= 64 ? high << (64 - down) : high >> (down - 64)) + (low >> down));
  return exp2_fixed(k < 0 ? -y : y);
}

Exact root_of_ratio(uint32_t q, uint32_t m, int hundredths) {
  LOWBIT_CHECK(q >= 1 && q <= m && m < (1u << 15) && m % 2 == 1 && hundredths >= 5);
  if (q == m) return Exact::of(1);
  return exp2_fixed((log2_of(q) - log2_of(m)) * 100 / hundredths);
}

}  // namespace lowbit::formats

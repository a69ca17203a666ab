#include "arith/fixed_point.h"

#include <bit>

#include "base/check.h"

namespace lowbit::arith {
namespace {

void add_limb(std::span<uint64_t> limbs, size_t at, uint64_t value) {
  bool carry = __builtin_add_overflow(limbs[at], value, &limbs[at]);
  for (++at; carry && at < limbs.size(); ++at) carry = ++limbs[at] == 0;
}

void subtract_limb(std::span<uint64_t> limbs, size_t at, uint64_t value) {
  bool borrow = __builtin_sub_overflow(limbs[at], value, &limbs[at]);
  for (++at; borrow && at < limbs.size(); ++at) borrow = limbs[at]-- == 0;
}

// The limbs of |integer| - below, one at a time from the least.
struct Magnitude {
  std::span<const uint64_t> limbs;
  bool negative;
  bool below;
  bool carry = true;  // of the negation

  // The limb at `at`; correct where all lower ones were asked for first.
  uint64_t next(size_t at) {
    uint64_t limb = negative ? ~limbs[at] : limbs[at];
    if (negative && carry) carry = ++limb == 0;
    if (below) below = limb-- == 0;
    return limb;
  }
};

}  // namespace

void add_at(std::span<uint64_t> limbs, uint64_t value, int64_t bit, bool negative) {
  if (bit < 0) {
    if (value == 0) return;
    LOWBIT_CHECK(std::countr_zero(value) >= -bit);
    value >>= -bit;
    bit = 0;
  }
  const size_t at = static_cast<size_t>(bit / 64);
  const int shift = static_cast<int>(bit % 64);
  const uint64_t low = value << shift, high = shift == 0 ? 0 : value >> (64 - shift);
  LOWBIT_CHECK(at < limbs.size() && (high == 0 || at + 1 < limbs.size()));
  const auto apply = negative ? subtract_limb : add_limb;
  apply(limbs, at, low);
  if (high != 0) apply(limbs, at + 1, high);
}

bool is_zero(std::span<const uint64_t> limbs) {
  for (const uint64_t limb : limbs) {
    if (limb != 0) return false;
  }
  return true;
}

formats::Exact read_fixed(std::span<const uint64_t> limbs, int64_t scale, int tail) {
  const bool negative = !limbs.empty() && (limbs.back() >> 63) != 0;
  Magnitude magnitude{limbs, negative, tail != 0 && (tail < 0) != negative};
  // The two highest limbs that are not 0, and whether anything stands below them.
  uint64_t high = 0, low = 0;
  size_t high_at = 0;
  bool rest = tail != 0;
  for (size_t at = 0; at < limbs.size(); ++at) {
    const uint64_t limb = magnitude.next(at);
    if (limb == 0) continue;
    rest = rest || low != 0 || (high_at + 1 != at && high != 0);
    low = high_at + 1 == at ? high : 0;
    high = limb;
    high_at = at;
  }
  if (high == 0) {
    LOWBIT_CHECK(tail == 0);
    return formats::Exact::zero();
  }
  const int lead = std::countl_zero(high);
  const uint64_t top = lead == 0 ? high : (high << lead) | (low >> (64 - lead));
  const bool cut = rest || (low << lead) != 0;
  return formats::Exact::finite(negative, top, scale + static_cast<int64_t>(high_at) * 64 - lead, cut);
}

}  // namespace lowbit::arith

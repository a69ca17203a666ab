#include "arith/quire.h"

#include <algorithm>
#include <bit>

#include "arith/fixed_point.h"
#include "base/bits.h"
#include "base/check.h"

namespace lowbit::arith {

BitRange BitRange::with(const BitRange& other) const {
  return {std::min(lowest, other.lowest), std::max(highest, other.highest)};
}

BitRange bit_range(const ElementFormat& f) {
  constexpr int kNone = 1 << 20;
  BitRange range{kNone, -kNone};
  const auto include = [&](uint32_t code) {
    const Exact x = formats::decode_exact(f, code);
    if (x.kind != Exact::Kind::finite) return;
    range = range.with({x.exponent - 63 + std::countr_zero(x.significand), x.exponent});
  };
  if (f.bits <= 16) {
    for (uint32_t code = 0; code < f.code_count(); ++code) include(code);
  } else {  // tf32 and f32: the smallest and the largest magnitude
    include(1);
    include(f.max_code());
  }
  return range.lowest == kNone ? BitRange{} : range;
}

Result<Quire> Quire::make(const BitRange& terms, std::string_view what) {
  const int64_t bits = int64_t{terms.highest} - terms.lowest + 1 + 64;  // the sign, and carries of 2^62 terms
  if (bits > kQuireBits) return errorf("{}: an exact sum takes {} bits, expected at most {}", what, bits, kQuireBits);
  return Quire(terms.lowest, static_cast<size_t>(ceil_div(bits, 64)));
}

void Quire::clear() {
  std::ranges::fill(limbs_, 0);
  nan_ = finite_ = infinite_[0] = infinite_[1] = zero_[0] = zero_[1] = false;
}

bool Quire::add_special(const Exact& x) {
  LOWBIT_CHECK(!x.sticky);
  nan_ = nan_ || x.is_nan();
  if (x.is_infinite()) infinite_[x.negative ? 1 : 0] = true;
  if (x.is_zero()) zero_[x.negative ? 1 : 0] = true;
  if (x.kind != Exact::Kind::finite) return true;
  finite_ = true;
  return false;
}

void Quire::add(const Exact& x) {
  if (!add_special(x)) add_at(limbs_, x.significand, x.exponent - 63 - scale_, x.negative);
}

void Quire::add_product(const Exact& a, const Exact& b) {
  if (a.kind != Exact::Kind::finite || b.kind != Exact::Kind::finite) {
    add_special(multiply(a, b));
    return;
  }
  LOWBIT_CHECK(!a.sticky && !b.sticky);
  finite_ = true;
  const unsigned __int128 product = static_cast<unsigned __int128>(a.significand) * b.significand;
  const int64_t bit = int64_t{a.exponent} + b.exponent - 126 - scale_;
  const bool negative = a.negative != b.negative;
  // The lower half of a product of two short significands is 0, and may lie below the register.
  const auto low = static_cast<uint64_t>(product);
  if (low != 0) add_at(limbs_, low, bit, negative);
  add_at(limbs_, static_cast<uint64_t>(product >> 64), bit + 64, negative);
}

Exact Quire::value(Rounding rounding) const {
  if (nan_ || (infinite_[0] && infinite_[1])) return Exact::nan();
  if (infinite_[0] || infinite_[1]) return Exact::infinity(infinite_[1]);
  const Exact sum = read_fixed(limbs_, scale_);
  if (!sum.is_zero()) return sum;
  const bool agree = !finite_ && zero_[0] != zero_[1];
  return Exact::zero(agree ? zero_[1] : rounding == Rounding::down && (finite_ || zero_[0]));
}

}  // namespace lowbit::arith

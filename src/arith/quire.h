// An exact sum of numbers and products: a fixed-point register wide enough for all of them (Kulisch; the quire of the
// posit standard).
#pragma once

#include <cstdint>
#include <vector>

#include "arith/operations.h"
#include "base/result.h"

namespace lowbit::arith {

// Where the bits of the finite values of a format lie.
struct BitRange {
  int lowest = 0;   // every value is a multiple of 2^lowest
  int highest = 0;  // and less than 2^(highest + 1) in magnitude

  BitRange with(const BitRange& other) const;
  BitRange times(const BitRange& other) const { return {lowest + other.lowest, highest + other.highest + 1}; }
};
BitRange bit_range(const ElementFormat& format);

// The register's width at most: products of two bf16, f32 or posit16 fit, those of a nine-bit exponent do not.
constexpr int kQuireBits = 1024;

class Quire {
 public:
  // For up to 2^62 terms of this range. `what` begins the error.
  static Result<Quire> make(const BitRange& terms, std::string_view what);

  void clear();
  // Numbers without sticky, of the range.
  void add(const Exact& x);
  void add_product(const Exact& a, const Exact& b);
  // NaN where a term was NaN or infinities cancel. Nothing but zeros keep a sign they agree on; other sums of 0 are
  // +0, but -0 for `down`; as is the sum of no terms.
  Exact value(Rounding rounding) const;

 private:
  Quire(int64_t scale, size_t limbs) : scale_(scale), limbs_(limbs, 0) {}
  bool add_special(const Exact& x);

  int64_t scale_;
  std::vector<uint64_t> limbs_;
  bool nan_ = false, infinite_[2] = {}, zero_[2] = {}, finite_ = false;  // by sign
};

}  // namespace lowbit::arith

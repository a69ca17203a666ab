// Operations of short formats by the processor's double: the same codes as apply(), sooner.
//
// A double result and the sign of its error give the result rounded to odd (53 bits, the last one set where something
// is left). Rounding that once more to a format of at most 16 bits is the one rounding of the exact result, in every
// deterministic mode (Boldo and Melquiond 2008). Products are exact; errors of sums, quotients and roots come from
// TwoSum and fused multiply-add, which underflow nowhere in the range of float.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "arith/operations.h"

namespace lowbit::arith {

class ByDouble {
 public:
  // Empty where it does not hold: elements of more than 16 bits or outside of the range of float, stochastic
  // roundings.
  static std::optional<ByDouble> make(const ElementFormat& format, const CastPolicy& policy);

  uint32_t add(uint32_t a, uint32_t b) const { return sum(values_[a], values_[b]); }
  uint32_t subtract(uint32_t a, uint32_t b) const { return sum(values_[a], -double{values_[b]}); }
  uint32_t multiply(uint32_t a, uint32_t b) const { return encode(double{values_[a]} * values_[b]); }
  uint32_t divide(uint32_t a, uint32_t b) const;
  uint32_t square_root(uint32_t a) const;
  uint32_t fma(uint32_t a, uint32_t b, uint32_t c) const { return sum(double{values_[a]} * values_[b], values_[c]); }

 private:
  ByDouble(const ElementFormat& format, const CastPolicy& policy);
  uint32_t sum(double x, double y) const;
  uint32_t encode(double x) const { return formats::encode(format_, x, policy_); }

  ElementFormat format_;
  CastPolicy policy_;
  std::span<const float> values_;
  bool signless_zero_ = false;
};

}  // namespace lowbit::arith

// Sums and dot products in a chosen format, order and rounding: models of processors, tensor cores and exact
// registers.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "arith/multiplier.h"
#include "arith/operations.h"
#include "arith/quire.h"
#include "base/result.h"

namespace lowbit::arith {

// In which order terms t0, t1, ... are added; r(x) rounds to the accumulator.
enum class Order : uint8_t {
  sequential,  // s = r(t0); s = r(s + t1); ...
  pairwise,    // r(t0), r(t1), ...; then neighbours are added, again and again; the last of an odd number waits
  chunked,     // each chunk sequentially; then the sums of the chunks sequentially, in `outer`
  fused,       // s = r(exact sum of the first chunk); s = r(s + exact sum of the next); ... as matrix units add
  exact,       // r(exact sum)
};

struct Accumulation {
  ElementFormat accumulator;
  CastPolicy policy;
  Order order = Order::sequential;
  int64_t chunk = 0;                   // terms of a chunk, for chunked and fused
  std::optional<ElementFormat> outer;  // of the sums of chunks, and then of the result; empty: the accumulator
  // Products are rounded to this format, by the same policy, before they are added; empty: they enter as they are
  // (with the exact multiplier: fused multiply-add).
  std::optional<ElementFormat> product;
  const Multiplier* multiplier = &exact_multiplier();
  uint64_t seed = 0;  // of stochastic roundings: the nth rounding of a sum takes philox(seed, stream, n)
};

// Sums of codes of the formats a and b in the way described.
class Accumulator {
 public:
  // The error says what cannot be: a chunk below 1, an exact sum of too many bits, a multiplier that does not fit.
  static Result<Accumulator> make(const ElementFormat& a, const ElementFormat& b, const Accumulation& how);

  // The code of the sum, in result(). No terms: +0.
  uint32_t sum(std::span<const uint32_t> a, uint64_t stream = 0) const;
  // Of the products of a and b, which have one length.
  uint32_t dot(std::span<const uint32_t> a, std::span<const uint32_t> b, uint64_t stream = 0) const;
  const ElementFormat& result() const { return how_.outer ? *how_.outer : how_.accumulator; }

 private:
  class Run;
  Accumulator(ElementFormat a, ElementFormat b, Accumulation how) : a_(a), b_(b), how_(how) {}

  ElementFormat a_, b_;
  Accumulation how_;
  std::optional<Quire> quire_;  // empty; copied by each sum
};

}  // namespace lowbit::arith

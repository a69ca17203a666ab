#include "arith/accumulate.h"

#include <algorithm>
#include <vector>

#include "base/check.h"
#include "base/rng.h"

namespace lowbit::arith {
namespace {

bool needs_chunk(Order order) { return order == Order::chunked || order == Order::fused; }
bool needs_quire(Order order) { return order == Order::fused || order == Order::exact; }

}  // namespace

// One sum: its terms and how many roundings it has made.
class Accumulator::Run {
 public:
  Run(const Accumulator& self, std::span<const uint32_t> a, std::span<const uint32_t> b, bool products,
      uint64_t stream)
      : self_(self), how_(self.how_), a_(a), b_(b), products_(products), stream_(stream) {}

  uint32_t result() {
    if (a_.empty()) return formats::encode(self_.result(), Exact::zero(), how_.policy);
    switch (how_.order) {
      case Order::sequential:
        return sequential(0, a_.size());
      case Order::pairwise:
        return pairwise();
      case Order::chunked:
        return chunked();
      case Order::fused:
        return fused();
      case Order::exact:
        break;
    }
    Quire quire = *self_.quire_;
    for (size_t i = 0; i < a_.size(); ++i) add_term(quire, i);
    return round(how_.accumulator, quire.value(how_.policy.rounding));
  }

 private:
  uint32_t round(const ElementFormat& format, const Exact& x) {
    const uint64_t index = roundings_++;
    const uint32_t random = formats::is_stochastic(how_.policy.rounding) ? philox(how_.seed, stream_, index)[0] : 0;
    return formats::encode(format, x, how_.policy, random);
  }

  // Products that no product rule changes enter a sum without being formed alone.
  bool plain_products() const { return products_ && !how_.product && how_.multiplier == &exact_multiplier(); }
  Exact left(size_t i) const { return formats::decode_exact(self_.a_, a_[i]); }
  Exact right(size_t i) const { return formats::decode_exact(self_.b_, b_[i]); }

  Exact term(size_t i) {
    if (!products_) return left(i);
    const Exact product = how_.multiplier->product(self_.a_, left(i), right(i));
    return how_.product ? formats::decode_exact(*how_.product, round(*how_.product, product)) : product;
  }

  void add_term(Quire& quire, size_t i) {
    if (plain_products()) {
      quire.add_product(left(i), right(i));
    } else {
      quire.add(term(i));
    }
  }

  uint32_t sequential(size_t first, size_t last) {
    const ElementFormat& f = how_.accumulator;
    uint32_t sum = round(f, term(first));
    for (size_t i = first + 1; i < last; ++i) {
      const Exact so_far = formats::decode_exact(f, sum);
      const Exact next = plain_products() ? fma(left(i), right(i), so_far, how_.policy.rounding)
                                          : add(so_far, term(i), how_.policy.rounding);
      sum = round(f, next);
    }
    return sum;
  }

  uint32_t add_codes(const ElementFormat& f, uint32_t a, const ElementFormat& g, uint32_t b) {
    return round(f, add(formats::decode_exact(f, a), formats::decode_exact(g, b), how_.policy.rounding));
  }

  uint32_t pairwise() {
    const ElementFormat& f = how_.accumulator;
    std::vector<uint32_t> sums(a_.size());
    for (size_t i = 0; i < sums.size(); ++i) sums[i] = round(f, term(i));
    while (sums.size() > 1) {
      const size_t pairs = sums.size() / 2;
      for (size_t i = 0; i < pairs; ++i) sums[i] = add_codes(f, sums[2 * i], f, sums[2 * i + 1]);
      if (sums.size() % 2 == 1) sums[pairs] = sums.back();
      sums.resize((sums.size() + 1) / 2);
    }
    return sums[0];
  }

  size_t chunk_end(size_t first) const {
    return first + std::min(a_.size() - first, static_cast<size_t>(how_.chunk));
  }

  uint32_t chunked() {
    const ElementFormat &f = how_.accumulator, &outer = self_.result();
    size_t at = chunk_end(0);
    uint32_t total = sequential(0, at);
    if (how_.outer) total = round(outer, formats::decode_exact(f, total));
    while (at < a_.size()) {
      const size_t end = chunk_end(at);
      total = add_codes(outer, total, f, sequential(at, end));
      at = end;
    }
    return total;
  }

  uint32_t fused() {
    const ElementFormat& f = how_.accumulator;
    Quire quire = *self_.quire_;
    uint32_t sum = 0;
    for (size_t at = 0; at < a_.size(); at = chunk_end(at)) {
      quire.clear();
      if (at > 0) quire.add(formats::decode_exact(f, sum));
      for (size_t i = at; i < chunk_end(at); ++i) add_term(quire, i);
      sum = round(f, quire.value(how_.policy.rounding));
    }
    return sum;
  }

  const Accumulator& self_;
  const Accumulation& how_;
  std::span<const uint32_t> a_, b_;
  bool products_;
  uint64_t stream_, roundings_ = 0;
};

Result<Accumulator> Accumulator::make(const ElementFormat& a, const ElementFormat& b, const Accumulation& how) {
  if (needs_chunk(how.order) && how.chunk < 1) {
    return errorf("accumulation: found chunks of {} terms, expected at least 1", how.chunk);
  }
  if (how.outer && how.order != Order::chunked) {
    return errorf("accumulation: found a format for sums of chunks, expected it with the order chunked alone");
  }
  if (const char* expected = how.multiplier->unsupported(a)) {
    return errorf("multiplier {}: found the format {}, expected {}", how.multiplier->name, formats::print(a),
                  expected);
  }
  if (how.multiplier != &exact_multiplier() && !(a == b)) {
    return errorf("multiplier {}: found the formats {} and {}, expected one", how.multiplier->name, formats::print(a),
                  formats::print(b));
  }
  Accumulator out(a, b, how);
  if (needs_quire(how.order)) {
    const BitRange left = bit_range(a);
    BitRange range = left.with(how.product ? bit_range(*how.product) : left.times(bit_range(b)));
    if (how.order == Order::fused) range = range.with(bit_range(how.accumulator));
    // Other multipliers are less than twice the product, and no finer than a product's last bit.
    ++range.highest;
    LOWBIT_ASSIGN(out.quire_, Quire::make(range, fmt::format("{} x {}", formats::print(a), formats::print(b))));
  }
  return out;
}

uint32_t Accumulator::sum(std::span<const uint32_t> a, uint64_t stream) const {
  return Run(*this, a, {}, false, stream).result();
}

uint32_t Accumulator::dot(std::span<const uint32_t> a, std::span<const uint32_t> b, uint64_t stream) const {
  LOWBIT_CHECK(a.size() == b.size());
  return Run(*this, a, b, true, stream).result();
}

}  // namespace lowbit::arith

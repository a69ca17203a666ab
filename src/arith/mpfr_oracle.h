// What the tests of this room share: operations by MPFR, and one rounding by the table of a format's values.
#pragma once

#include <gtest/gtest.h>
#include <mpfr.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <set>
#include <vector>

#include "arith/operations.h"
#include "formats/codebook.h"
#include "formats/encode_oracle.h"

namespace lowbit::arith {

using formats::element;
using formats::kDeterministic;
using formats::kSaturations;
using formats::same;
using formats::Saturation;

inline bool exhaustive() { return std::getenv("LOWBIT_EXHAUSTIVE") != nullptr; }

class Mpfr {
 public:
  explicit Mpfr(mpfr_prec_t precision = 64) { mpfr_init2(x_, precision); }
  ~Mpfr() { mpfr_clear(x_); }
  Mpfr(const Mpfr&) = delete;
  mpfr_ptr get() { return x_; }
  operator mpfr_ptr() { return x_; }

  void set(const Exact& x) {
    if (x.is_nan()) {
      mpfr_set_nan(x_);
    } else if (x.is_infinite()) {
      mpfr_set_inf(x_, x.negative ? -1 : 1);
    } else {
      mpfr_set_uj(x_, x.significand, MPFR_RNDZ);
      mpfr_mul_2si(x_, x_, x.is_zero() ? 0 : x.exponent - 63, MPFR_RNDZ);
      mpfr_setsign(x_, x_, x.negative ? 1 : 0, MPFR_RNDZ);
    }
  }

 private:
  mpfr_t x_;
};

// A real number as the double next to it on the side of zero, and whether more belongs to it.
struct Truncated {
  double value = 0;
  bool more = false;
};

inline Truncated truncated(mpfr_srcptr x, bool more) {
  const double t = mpfr_get_d(x, MPFR_RNDZ);
  return {t, more || mpfr_cmp_d(x, t) != 0};
}

// out = the operation on x in the precision of out toward zero; returns whether that is inexact. A result of 0 has
// the sign that the rounding asks for.
inline bool by_mpfr(Operation op, mpfr_ptr out, mpfr_ptr* x, Rounding rounding) {
  const auto compute = [&](mpfr_rnd_t mode) {
    const mpfr_ptr three[] = {x[0], x[1], op == Operation::faa ? x[2] : nullptr};
    const OperationRow& row = row_of(op);
    if (row.name == "add") return mpfr_add(out, x[0], x[1], mode);
    if (row.name == "subtract") return mpfr_sub(out, x[0], x[1], mode);
    if (row.name == "multiply") return mpfr_mul(out, x[0], x[1], mode);
    if (row.name == "divide") return mpfr_div(out, x[0], x[1], mode);
    if (row.name == "square_root") return mpfr_sqrt(out, x[0], mode);
    if (row.name == "fma") return mpfr_fma(out, x[0], x[1], x[2], mode);
    if (row.name == "faa") return mpfr_sum(out, three, 3, mode);
    EXPECT_EQ(row.name, "convert");
    return mpfr_set(out, x[0], mode);
  };
  const int ternary = compute(MPFR_RNDZ);
  if (mpfr_zero_p(out) != 0 && rounding == Rounding::down) compute(MPFR_RNDD);
  return ternary != 0;
}

// One rounding of a real number into a format, from the ordered table of its values: slow and obvious. For formats of
// at most 16 bits with values that are doubles.
class TableOracle {
 public:
  explicit TableOracle(const ElementFormat& f) : f_(f), is_float_(f.kind == formats::ElementKind::floating) {
    const std::vector<bool> encoded = encoded_codes(f);
    for (uint32_t code = 0; code < f.code_count(); ++code) {
      const double v = formats::value(f, code);
      if (!std::isfinite(v) || (is_float_ && std::signbit(v))) continue;
      if (!encoded[code]) continue;
      entries_.push_back({v, code});
    }
    std::stable_sort(entries_.begin(), entries_.end(), [](auto& a, auto& b) { return a.value < b.value; });
    const auto twice = [](auto& a, auto& b) { return a.value == b.value; };  // the lower code stands for both
    entries_.erase(std::unique(entries_.begin(), entries_.end(), twice), entries_.end());
    if (is_float_) {  // the number after the largest, as though the range had no end
      const Entry last = entries_.back();
      const int exponent = std::max(std::ilogb(last.value), f.has_zero ? 1 - f.bias : -10000);
      entries_.push_back({last.value + std::ldexp(1.0, exponent - f.mantissa_bits), last.code + 1});
    }
    for (size_t i = 0; i + 1 < entries_.size(); ++i) {
      const bool own = f.kind == formats::ElementKind::codebook;
      middles_.push_back(own ? f.codebook->index.middles[i]
                             : Exact::of(entries_[i].value + (entries_[i + 1].value - entries_[i].value) / 2));
    }
    for (Exact middle : middles_) {
      if (middle.sticky || middle.significand % 2048 != 0) near_doubles_.insert(toward_zero(middle));
    }
    has_nan_ = std::isnan(formats::value(f, formats::encode(f, std::nan(""))));
  }

  // The value that x becomes.
  double expected(Truncated x, const CastPolicy& policy) const {
    if (std::isnan(x.value)) return formats::value(f_, formats::encode(f_, std::nan("")));
    if (!is_float_) return expected_listed(x, policy) + 0.0;  // no -0
    if (std::isinf(x.value)) return formats::saturate(f_, x.value, true, policy);
    const bool negative = std::signbit(x.value);
    const double a = std::fabs(x.value);
    if (!f_.has_zero && (a < entries_[0].value || negative)) return below_range(negative, policy);
    Rounding rounding = policy.rounding;  // of the magnitude
    if (negative && rounding == Rounding::up)
      rounding = Rounding::down;
    else if (negative && rounding == Rounding::down)
      rounding = Rounding::up;
    const bool beyond = a >= entries_.back().value;
    const double r = beyond ? entries_.back().value : nearest({a, x.more}, rounding);
    if (r == 0) return negative && has_negative_zero(f_) ? -0.0 : 0.0;
    return formats::saturate(f_, negative ? -r : r, false, policy);
  }

  // Does a middle that is no double lie so near that the bits of x do not tell its side? Every other square root of a
  // logarithmic number is such a middle, but for the rounding of its values to doubles.
  bool undecided(Truncated x) const {
    if (!x.more || near_doubles_.empty()) return false;
    return near_doubles_.contains(x.value);
  }

  // Does a code mean what was expected?
  bool matches(uint32_t code, double expected) const {
    const double got = formats::value(f_, code);
    return code < f_.code_count() && (same(got, expected) || (!is_float_ && got == expected));
  }

 private:
  struct Entry {
    double value;
    uint32_t code;
  };

  // Codes that only mean something (beyond the end of a list, -2^(N-1) of symmetric integers) are never made.
  static std::vector<bool> encoded_codes(const ElementFormat& f) {
    const bool listed = f.kind == formats::ElementKind::codebook;
    std::vector<bool> out(f.code_count(), !listed);
    if (listed) {
      for (const uint32_t code : f.codebook->index.codes) out[code] = true;
    }
    return out;
  }

  static double toward_zero(Exact x) {
    x.significand -= x.significand % 2048;
    x.sticky = false;
    return x.to_double();
  }

  double below_range(bool negative, const CastPolicy& policy) const {
    (void)negative;  // the format has no sign
    const bool outward =
        policy.rounding == Rounding::away || policy.rounding == Rounding::to_odd || policy.rounding == Rounding::up;
    return policy.saturation == Saturation::none && !outward && has_nan_ ? std::nan("") : entries_[0].value;
  }

  double expected_listed(Truncated x, const CastPolicy& policy) const {
    if (std::isinf(x.value) && has_nan_ && policy.saturation == Saturation::none) return std::nan("");
    if (x.value <= entries_.front().value) return entries_.front().value;
    if (x.value >= entries_.back().value) return entries_.back().value;
    return nearest(x, policy.rounding);
  }

  // x lies between the first and the last entry.
  double nearest(Truncated x, Rounding rounding) const {
    // By what is larger: below zero the rest leads away from it.
    const auto below = [&](double v) { return v < x.value || (v == x.value && x.more && x.value >= 0); };
    size_t high = 0;
    high = static_cast<size_t>(
        std::partition_point(entries_.begin(), entries_.end(), [&](const Entry& e) { return below(e.value); }) -
        entries_.begin());
    if (high < entries_.size() && entries_[high].value == x.value && !x.more) return x.value;
    const Entry &lower = entries_[high - 1], &upper = entries_[high];
    Exact whole = Exact::of(x.value);
    whole.sticky = x.more && !whole.is_zero();
    const Exact& middle = middles_[high - 1];
    const int side = whole.is_zero() && x.more ? (below(middle.to_double()) ? 1 : -1) : compare(whole, middle);
    const bool negative = x.value < 0;
    const bool upper_odd = (upper.code & 1) != 0;
    const bool outer = std::fabs(upper.value) != std::fabs(lower.value)
                           ? std::fabs(upper.value) > std::fabs(lower.value)
                           : !negative;
    bool up = side > 0;
    if (rounding == Rounding::nearest_even) up = up || (side == 0 && !upper_odd);
    if (rounding == Rounding::nearest_odd) up = up || (side == 0 && upper_odd);
    if (rounding == Rounding::nearest_away) up = up || (side == 0 && outer);
    if (rounding == Rounding::nearest_zero) up = up || (side == 0 && !outer);
    if (rounding == Rounding::up) up = true;
    if (rounding == Rounding::down) up = false;
    if (rounding == Rounding::to_zero) up = negative ? upper.value <= 0 : lower.value < 0;  // never across zero
    if (rounding == Rounding::away) up = !negative;
    if (rounding == Rounding::to_odd) up = upper_odd;
    return up ? upper.value : lower.value;
  }

  const ElementFormat f_;
  bool is_float_, has_nan_ = false;
  std::vector<Entry> entries_;
  std::vector<Exact> middles_;
  std::set<double> near_doubles_;  // the middles that are no doubles, cut to doubles
};

}  // namespace lowbit::arith

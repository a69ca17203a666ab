// encode() of floats of up to 16 bits and of f32 against MPFR, under every deterministic rounding and saturation.
#include <gtest/gtest.h>
#include <mpfr.h>

#include <algorithm>
#include <cmath>

#include "base/rng.h"
#include "formats/encode_oracle.h"

namespace lowbit::formats {
namespace {

// Neighbours of a magnitude in a float with unbounded largest exponent, by MPFR's own subnormal arithmetic.
class MpfrOracle {
 public:
  explicit MpfrOracle(const ElementFormat& f) : f_(f) {
    mpfr_init2(value_, 1 + f.mantissa_bits);
    mpfr_init2(exact_, 53);
    mpfr_init2(sum_, 2200);
  }
  ~MpfrOracle() { mpfr_clears(value_, exact_, sum_, static_cast<mpfr_ptr>(nullptr)); }
  MpfrOracle(const MpfrOracle&) = delete;

  double round_with(double x, mpfr_rnd_t mode) {
    mpfr_set_d(exact_, x, MPFR_RNDN);
    // MPFR's exponents belong to significands in [1/2, 1); the least nonzero value is 2^(emin - 1).
    mpfr_set_emin(1 - f_.bias - f_.mantissa_bits + 1);
    mpfr_set_emax(2000);
    int inexact = mpfr_set(value_, exact_, mode);
    inexact = mpfr_check_range(value_, inexact, mode);
    mpfr_subnormalize(value_, inexact, mode);
    mpfr_set_emin(mpfr_get_emin_min());
    mpfr_set_emax(mpfr_get_emax_max());
    return mpfr_get_d(value_, MPFR_RNDN);
  }

  // Is |v| an odd number of steps of its binade? (The parity of the significand or, without mantissa, of the code.)
  bool odd(double v) const {
    if (v == 0 || std::isinf(v)) return false;  // 2^1024 is an even multiple of its step
    const int e = std::max(std::ilogb(v), 1 - f_.bias);
    if (f_.mantissa_bits == 0) return ((e + f_.bias) & 1) != 0;
    return std::fmod(std::ldexp(std::fabs(v), f_.mantissa_bits - e), 2.0) != 0;
  }

  double rounded(double x, Rounding rounding) {
    const double low = round_with(x, MPFR_RNDD), high = round_with(x, MPFR_RNDU);
    if (low == high) return low;
    const double inner = x < 0 ? high : low, outer = x < 0 ? low : high;
    mpfr_set_d(sum_, low, MPFR_RNDN);
    mpfr_add_d(sum_, sum_, high, MPFR_RNDN);
    mpfr_div_2ui(sum_, sum_, 1, MPFR_RNDN);
    const int above = mpfr_cmp_d(sum_, x);  // sign of middle - x
    const double nearer = above > 0 ? low : high;
    switch (rounding) {
      case Rounding::nearest_even:
        // MPFR's own tie rule knows significands, not codes: it serves where there is a mantissa.
        if (f_.mantissa_bits > 0) return round_with(x, MPFR_RNDN);
        return above != 0 ? nearer : odd(low) ? high : low;
      case Rounding::nearest_away:
        return above != 0 ? nearer : outer;
      case Rounding::nearest_zero:
        return above != 0 ? nearer : inner;
      case Rounding::nearest_odd:
        return above != 0 ? nearer : odd(low) ? low : high;
      case Rounding::up:
        return high;
      case Rounding::down:
        return low;
      case Rounding::to_zero:
        return inner;
      case Rounding::away:
        return outer;
      case Rounding::to_odd:
        return odd(low) ? low : high;
      default:
        break;
    }
    ADD_FAILURE();
    return 0;
  }

  double expected(double x, const CastPolicy& policy) {
    if (std::isnan(x)) return value(f_, encode(f_, x));
    if (std::isinf(x)) return saturate(f_, x, true, policy);
    const double r = x == 0 ? x : rounded(x, policy.rounding);
    if (r != 0) return saturate(f_, r, false, policy);
    const bool keeps = f_.is_signed && f_.nan != NanKind::negative_zero && std::signbit(x);
    return keeps ? -0.0 : 0.0;
  }

 private:
  const ElementFormat& f_;
  mpfr_t value_, exact_, sum_;
};

// Numbers where rounding is hardest, scaled to the range of an element.
double hard_number(Rng& rng, const ElementFormat& f) {
  const double v = value(f, static_cast<uint32_t>(rng.below(f.code_count())));
  const double w = value(f, static_cast<uint32_t>(rng.below(f.code_count())));
  const double middle = std::isfinite(v) ? v * (1 + std::ldexp(1.0, -1 - f.mantissa_bits)) : largest(f) * 1.0625;
  switch (rng.below(10)) {
    case 0:
      return std::nextafter(v, w);
    case 1:
      return middle;
    case 2:
      return std::nextafter(middle, HUGE_VAL);
    case 3:
      return std::nextafter(middle, -HUGE_VAL);
    case 4:
      return std::ldexp(static_cast<double>(rng.below(64)), -f.bias - f.mantissa_bits) * (rng.below(2) == 0 ? 1 : -1);
    case 5:
      return largest(f) * (1 + rng.uniform() * 0.5);
    case 6:
      return std::ldexp(rng.uniform() - 0.5, static_cast<int>(rng.below(300)) - 160);
    case 7:
      return -largest(f) * (1 + std::ldexp(static_cast<double>(rng.below(16)), -3 - f.mantissa_bits));
    case 8:
      return v * (1 + rng.uniform() * std::ldexp(1.0, -f.mantissa_bits));
    default:
      return v;
  }
}

void check_against_mpfr(const ElementFormat& f, int numbers) {
  SCOPED_TRACE(print(f));
  MpfrOracle oracle(f);
  Rng rng(17, double_bits(largest(f)) + f.mantissa_bits);
  for (int i = 0; i < numbers; ++i) {
    const double x = hard_number(rng, f);
    for (const Rounding rounding : kDeterministic) {
      const CastPolicy policy{rounding, kSaturations[rng.below(3)]};
      const double got = value(f, encode(f, x, policy)), expected = oracle.expected(x, policy);
      ASSERT_TRUE(same(got, expected)) << fmt::format("x {:a} rounding {} saturation {}: {} expected {}", x,
                                                      static_cast<int>(rounding), static_cast<int>(policy.saturation),
                                                      got, expected);
    }
  }
}

TEST(Encode, FloatsAgainstMpfr) {
  int formats = 0;
  for (int x = 1; x <= 10; ++x) {
    for (int m = 0; x + m <= 15; ++m) {
      for (const char* suffix :
           {"ieee", "fn", "fnuz", "finite", "nuz", "n", "inf", "b3fn", "b11fnuz", "b0finite", "b-4"}) {
        const auto parsed = parse_element(fmt::format("e{}m{}{}", x, m, suffix));
        if (!parsed.ok() || std::isinf(largest(*parsed))) continue;  // beyond double, this oracle's numbers
        check_against_mpfr(*parsed, 400);
        ++formats;
      }
      const auto parsed = parse_element(fmt::format("ue{}m{}", x, m));
      if (m > 0 && parsed.ok()) check_against_mpfr(*parsed, 400);
    }
  }
  EXPECT_GT(formats, 400);
  for (const char* name : {"f16", "bf16", "tf32", "e4m3fn", "e5m2", "e2m1", "binary8p3se", "binary12p4uf"})
    check_against_mpfr(element(name), 20000);
}

TEST(Encode, F32AgainstMpfr) {
  const ElementFormat f = element("f32");
  MpfrOracle oracle(f);
  Rng rng(23);
  for (int i = 0; i < 100000; ++i) {
    const double v = bits_float(rng.next_u32());
    const double steps = static_cast<double>(rng.below(64)) - 32;
    const double x = rng.below(3) == 0 ? v : v * (1 + steps * 0x1p-26 + (rng.below(2) == 0 ? 0 : 0x1p-50));
    if (std::isnan(x)) continue;
    for (const Rounding rounding : kDeterministic) {
      const CastPolicy policy{rounding, kSaturations[rng.below(3)]};
      ASSERT_TRUE(same(value(f, encode(f, x, policy)), oracle.expected(x, policy))) << fmt::format("{:a}", x);
    }
    // The processor's own conversion.
    ASSERT_TRUE(same(f.decode(encode(f, x, {Rounding::nearest_even, Saturation::none})), static_cast<float>(x)));
  }
}

}  // namespace
}  // namespace lowbit::formats

// All formats of IEEE P3109 (Interim Report 4.0) of 3 to 15 bits against the standard's definition, computed by MPFR.
#include <gtest/gtest.h>
#include <mpfr.h>

#include <algorithm>
#include <cmath>

#include "formats/encode_oracle.h"

namespace lowbit::formats {
namespace {

enum class Is : uint8_t { number, infinity, minus_infinity, nan };

// Decode of the standard (section 4.7): bias 2^(K-P-1) or, without sign, 2^(K-P); one zero, one NaN.
Is p3109_value(mpfr_t out, uint32_t code, int k, int p, bool is_signed, bool extended) {
  const uint32_t sign_bit = 1u << (k - 1);
  if (is_signed && code == sign_bit) return Is::nan;
  if (!is_signed && code == 2 * sign_bit - 1) return Is::nan;
  if (extended) {
    if (is_signed && code == sign_bit - 1) return Is::infinity;
    if (is_signed && code == 2 * sign_bit - 1) return Is::minus_infinity;
    if (!is_signed && code == 2 * sign_bit - 2) return Is::infinity;
  }
  const bool negative = is_signed && code > sign_bit;
  const uint32_t magnitude = negative ? code - sign_bit : code;
  const uint32_t t = magnitude & ((1u << (p - 1)) - 1);
  const long e = magnitude >> (p - 1);
  const long bias = is_signed ? 1L << (k - p - 1) : 1L << (k - p);
  mpfr_set_ui(out, t, MPFR_RNDN);
  mpfr_div_2ui(out, out, static_cast<unsigned long>(p - 1), MPFR_RNDN);
  if (e != 0) mpfr_add_ui(out, out, 1, MPFR_RNDN);
  mpfr_mul_2si(out, out, (e == 0 ? 1 : e) - bias, MPFR_RNDN);
  if (negative) mpfr_neg(out, out, MPFR_RNDN);
  return Is::number;
}

bool equals(const Exact& got, Is is, const mpfr_t value) {
  if (is == Is::nan) return got.is_nan();
  if (is != Is::number) return got.is_infinite() && got.negative == (is == Is::minus_infinity);
  mpfr_t mine;
  mpfr_init2(mine, 64);
  mpfr_set_uj(mine, got.significand, MPFR_RNDN);
  mpfr_mul_2si(mine, mine, got.exponent - 63, MPFR_RNDN);
  if (got.negative) mpfr_neg(mine, mine, MPFR_RNDN);
  const bool same = got.is_finite() && !got.sticky && mpfr_equal_p(mine, value) != 0;
  mpfr_clear(mine);
  return same;
}

TEST(P3109, EveryValueOfEveryFormat) {
  mpfr_t expected;
  mpfr_init2(expected, 64);
  int formats = 0;
  for (int k = 3; k <= 15; ++k) {
    for (int p = 1; p <= k; ++p) {
      for (const bool is_signed : {true, false}) {
        for (const bool extended : {true, false}) {
          if (is_signed && p == k) continue;
          const std::string name = fmt::format("Binary{}p{}{}{}", k, p, is_signed ? 's' : 'u', extended ? 'e' : 'f');
          const auto f = parse_element(name);
          ASSERT_TRUE(f.ok()) << f.message();
          ++formats;
          EXPECT_EQ(*f, parse_element(print(*f)).value()) << name << " " << print(*f);
          for (uint32_t code = 0; code < f->code_count(); ++code) {
            const Is is = p3109_value(expected, code, k, p, is_signed, extended);
            const Exact got = decode_exact(*f, code);
            ASSERT_TRUE(equals(got, is, expected)) << name << " code " << code;
            // SatNone keeps what every code means.
            ASSERT_EQ(encode(*f, got, {Rounding::nearest_even, Saturation::none}), code) << name << " code " << code;
          }
        }
      }
    }
  }
  mpfr_clear(expected);
  EXPECT_EQ(formats, 2 * (13 * 9 - 13) + 2 * (13 * 9));
}

TEST(P3109, PublishedFacts) {
  EXPECT_EQ(largest(element("binary8p4se")), 224);
  EXPECT_EQ(value(element("binary8p4se"), 1), 0x1p-10);
  EXPECT_EQ(largest(element("Binary8p4sf")), 240);
  EXPECT_EQ(largest(element("binary8p3se")), 49152);
  EXPECT_EQ(largest(element("binary8p3sf")), 57344);
  EXPECT_EQ(largest(element("binary8p1uf")), 0x1p126);
  EXPECT_EQ(print(element("binary8p4sf")), "e4m3fnuz");
  EXPECT_EQ(print(element("e4m3nuz")), "binary8p4se");
  EXPECT_EQ(value(element("binary8p1uf"), 0), 0);
  std::vector<double> values;
  for (uint32_t code = 0; code < 8; ++code) values.push_back(value(element("binary4p2sf"), code));
  EXPECT_EQ(values, (std::vector<double>{0, .25, .5, .75, 1, 1.5, 2, 3}));
  // Unsigned: what lies below zero is NaN under SatNone, else zero.
  const ElementFormat u = element("binary8p4ue");
  EXPECT_EQ(encode(u, -1.0), 0u);
  EXPECT_EQ(encode(u, -1.0, {Rounding::nearest_even, Saturation::none}), 0xFFu);
  // SatPropagate keeps infinities, SatFinite does not.
  const ElementFormat s = element("binary8p4se");
  EXPECT_EQ(encode(s, HUGE_VAL, {Rounding::nearest_even, Saturation::propagate}), 0x7Fu);
  EXPECT_EQ(encode(s, 1e9, {Rounding::nearest_even, Saturation::propagate}), 0x7Eu);
  EXPECT_EQ(encode(s, HUGE_VAL), 0x7Eu);
  EXPECT_EQ(encode(s, 1e9, {Rounding::nearest_even, Saturation::none}), 0x7Fu);
  EXPECT_EQ(encode(s, 1e9, {Rounding::to_zero, Saturation::none}), 0x7Eu);
}

}  // namespace
}  // namespace lowbit::formats

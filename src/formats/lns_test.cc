// Logarithmic numbers against MPFR: the powers behind them, every code, and both rules of rounding.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "base/rng.h"
#include "formats/array.h"
#include "formats/codebook.h"
#include "formats/encode_oracle.h"
#include "formats/mpfr_real.h"
#include "formats/powers.h"

namespace lowbit::formats {
namespace {

// The exponent of a code in units of 2^-R: the lowest N - 1 bits, two's complement.
int exponent_of(uint32_t code, int bits) {
  const int half = 1 << (bits - 1), body = static_cast<int>(code) % half;
  return body >= half / 2 ? body - half : body;
}

uint32_t code_of(int k, int bits, bool negative) {
  const int half = 1 << (bits - 1);
  return static_cast<uint32_t>((k < 0 ? k + half : k) + (negative ? half : 0));
}

// Every power of two that lns of at most 16 bits has as a value or a middle: a fraction of at most 16 bits, and a
// whole exponent, which changes no bit of the significand.
TEST(Powers, FirstBitsOfPowersOfTwo) {
  Real real;
  for (int64_t k = -(1 << 16); k <= 1 << 16; ++k) {
    set_power(real, false, k, 16);
    ASSERT_EQ(exp2_of(k, 16), real.to_exact()) << k;
    ASSERT_EQ(exp2_of(k, 16).sticky, k % (1 << 16) != 0) << k;
  }
  for (const int64_t whole : {-1000, -20, 9, 1000}) {
    set_power(real, false, 2 * whole + 1, 1);
    ASSERT_EQ(exp2_of(2 * whole + 1, 1), real.to_exact()) << whole;
  }
}

// N and R of all short elements, and some long ones.
std::vector<std::pair<int, int>> shapes() {
  std::vector<std::pair<int, int>> out;
  for (int bits = 2; bits <= 9; ++bits) {
    for (int fraction = 0; fraction < bits; ++fraction) out.emplace_back(bits, fraction);
  }
  out.insert(out.end(), {{12, 1}, {12, 6}, {13, 7}, {16, 5}, {16, 15}});
  return out;
}

TEST(Lns, EveryCode) {
  Real real;
  for (const auto& [bits, fraction] : shapes()) {
    const ElementFormat f = element(fmt::format("lns{}.{}", bits, fraction)), linear = element(print(f) + "lin");
    for (uint32_t code = 0; code < f.code_count(); ++code) {
      const int k = exponent_of(code, bits);
      const bool negative = code >= f.code_count() / 2;
      set_power(real, false, k, fraction, negative);
      const bool least = k == -(1 << (bits - 2));
      const double expected = !least ? real.to_double() : negative ? std::nan("") : 0.0;
      ASSERT_TRUE(same(value(f, code), expected)) << print(f) << " " << code;
      ASSERT_TRUE(same(value(linear, code), expected)) << print(f) << " " << code;
      if (std::isnan(expected)) continue;
      ASSERT_EQ(encode(f, expected), code) << print(f);
      ASSERT_EQ(encode(linear, expected), code) << print(linear);
    }
    EXPECT_EQ(parse_element(print(f)).value(), f);
    EXPECT_EQ(parse_element(print(linear)).value(), linear);
  }
}

// By the definition: the nearest exponent, where that of zero is one below the least.
uint32_t nearest_exponent(Real& x, int bits, int fraction) {
  const bool negative = mpfr_sgn(x.get()) < 0;
  Real log;
  mpfr_abs(log.get(), x.get(), MPFR_RNDN);
  mpfr_log2(log.get(), log.get(), MPFR_RNDN);
  mpfr_mul_2si(log.get(), log.get(), fraction, MPFR_RNDN);
  const int zero = -(1 << (bits - 2));
  mpfr_round(log.get(), log.get());
  const int k = static_cast<int>(std::clamp<double>(log.to_double(), zero, -zero - 1));
  return code_of(k, bits, negative && k != zero);
}

TEST(Lns, NearestIsThatOfTheLogarithm) {
  Rng rng(5);
  Real real, double_of;
  for (const auto& [bits, fraction] : shapes()) {
    const ElementFormat f = element(fmt::format("lns{}.{}", bits, fraction));
    const auto check = [&](double x) {
      mpfr_set_d(double_of.get(), x, MPFR_RNDN);
      const uint32_t expected =
          x == 0 ? code_of(-(1 << (bits - 2)), bits, false) : nearest_exponent(double_of, bits, fraction);
      ASSERT_EQ(encode(f, x), expected) << print(f) << fmt::format(" {:a}", x);
      ASSERT_EQ(encode(f, Exact::of(x)), expected) << print(f) << fmt::format(" {:a}", x);
    };
    const std::vector<Exact>& middles = f.codebook->index.middles;
    ASSERT_EQ(middles.size() + 1, f.code_count() - 1);
    for (size_t i = 0; i < middles.size(); i += bits > 9 ? 1 + rng.below(64) : 1) {
      const double near = middles[i].to_double();
      for (const double x : {near, std::nextafter(near, HUGE_VAL), std::nextafter(near, -HUGE_VAL)}) check(x);
      check(f.codebook->index.values[i] * (1 + rng.uniform()));
      // Numbers of 64 bits on both sides of the middle: it lies between, and nothing ties.
      Exact x = middles[i];
      ASSERT_TRUE(x.sticky);
      x.sticky = false;
      for (const uint64_t more : {uint64_t{0}, uint64_t{1}}) {
        x.significand = middles[i].significand + more;
        mpfr_set_uj_2exp(real.get(), x.significand, x.exponent - 63, MPFR_RNDN);
        if (x.negative) mpfr_neg(real.get(), real.get(), MPFR_RNDN);
        ASSERT_EQ(encode(f, x), nearest_exponent(real, bits, fraction)) << print(f) << " " << i;
      }
    }
    for (const double x : {0.0, -0.0, 1e-300, -1e-300, 1e300, -1e300, 0.7, -1.3}) check(x);
    if (HasFatalFailure()) return;
  }
}

TEST(Lns, LinearRoundsByTheDistanceOfTheValues) {
  for (const auto& [bits, fraction] : shapes()) {
    if (bits > 8) continue;
    const ElementFormat f = element(fmt::format("lns{}.{}lin", bits, fraction));
    const CodebookIndex& index = f.codebook->index;
    for (size_t i = 0; i + 1 < index.values.size(); ++i) {
      const Exact sum = add(Exact::of(index.values[i]), Exact::of(index.values[i + 1]));
      Exact middle = sum;
      --middle.exponent;
      ASSERT_EQ(index.middles[i], middle) << print(f);
    }
  }
  // Between 1 and 2 of lns5.0: the geometric mean and the middle.
  EXPECT_EQ(value(element("lns5.0"), encode(element("lns5.0"), 1.45)), 2);
  EXPECT_EQ(value(element("lns5.0lin"), encode(element("lns5.0lin"), 1.45)), 1);
}

// lns<8, 3> of the Universal library: its bit patterns of zero, NaN, the ends, and half the least value.
TEST(Lns, CodesAreThoseOfUniversal) {
  const ElementFormat f = element("lns8.3");
  EXPECT_EQ(encode(f, 0.0), 0x40u);
  EXPECT_EQ(encode(f, std::nan("")), 0xC0u);
  EXPECT_EQ(f.max_code(), 0x3Fu);
  EXPECT_EQ(f.min_code(), 0xBFu);
  EXPECT_EQ(value(f, 0x3F), 0x1.d5818dcfba487p+7);
  EXPECT_EQ(value(f, 0x41), 0x1.172b83c7d517bp-8);
  EXPECT_EQ(value(f, 0xC1), -0x1.172b83c7d517bp-8);
  EXPECT_EQ(encode(f, 1e30), 0x3Fu);
  EXPECT_EQ(encode(f, -1e30), 0xBFu);
  EXPECT_EQ(encode(f, 0x1.0b5586cf9890fp-8), 0x40u);  // 2^(-127/16), rounded down
  EXPECT_EQ(encode(f, 0x1.0b5586cf98910p-8), 0x41u);
  EXPECT_EQ(encode(f, HUGE_VAL, {Rounding::nearest_even, Saturation::none}), 0xC0u);
}

// Formats with scales hold the nearest floats; their codes come back.
TEST(Lns, StoredAsTheNearestFloats) {
  for (const char* name : {"lns8.3", "lns4.1", "takumlog5", "pow4a0.5", "pow8a0.35"}) {
    const auto format = parse_format(fmt::format("{}/32", name));
    ASSERT_TRUE(format.ok()) << format.message();
    const std::span<const float> table = decode_table(format->element);
    for (const uint32_t code : format->element.codebook->index.codes) {
      EXPECT_EQ(table[code], static_cast<float>(value(format->element, code)));
      EXPECT_EQ(encode(format->element, table[code]), code) << name;
    }
  }
  for (const char* wide : {"lns9.0/32:f16", "lns16.6/row", "takum8", "takumlog8/32"}) {
    const auto format = parse_format(wide);
    ASSERT_FALSE(format.ok()) << wide;
    EXPECT_NE(format.message().find("within the range of f32"), std::string::npos) << format.message();
  }
}

TEST(Lns, WideElementsAreMadeQuickly) {
  for (const char* name : {"lns16.8", "takum16", "takumlog16", "pow16a0.35"}) {
    const auto start = std::chrono::steady_clock::now();
    const ElementFormat f = element(name);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    EXPECT_LT(took.count(), 5.0) << name;  // 0.03 to 0.15 s in a release build
    RecordProperty(name, std::to_string(took.count()));
    EXPECT_EQ(f.bits, 16);
  }
}

}  // namespace
}  // namespace lowbit::formats

// Takums against their definition, written out bit by bit with MPFR, and against libtakum, its author's library.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <string>

#include "base/rng.h"
#include "formats/codebook.h"
#include "formats/encode_oracle.h"
#include "formats/mpfr_real.h"
#include "formats/powers.h"

namespace lowbit::formats {
namespace {

std::string bits_of(uint32_t code, int n) {
  std::string out;
  for (int i = n - 1; i >= 0; --i) out += (code >> i & 1) != 0 ? '1' : '0';
  return out;
}

int number_of(const std::string& bits) {
  int out = 0;
  for (const char c : bits) out = 2 * out + (c - '0');
  return out;
}

// Definitions 2 and 8 of arXiv 2404.18603 with S as they have it: no negation of the string. False for zero and NaR.
bool takum_value(std::string bits, bool logarithmic, Real& out) {
  const bool special = bits.find('1', 1) == std::string::npos;
  if (special) return false;
  bits.resize(std::max<size_t>(bits.size(), 12), '0');
  const int s = bits[0] - '0', d = bits[1] - '0', field = number_of(bits.substr(2, 3));
  const int r = d == 1 ? field : 7 - field;
  const int characteristic = number_of(bits.substr(5, static_cast<size_t>(r)));
  const int c = d == 1 ? (1 << r) - 1 + characteristic : -(1 << (r + 1)) + 1 + characteristic;
  const std::string mantissa = bits.substr(5 + static_cast<size_t>(r));
  const int p = static_cast<int>(mantissa.size()), m = number_of(mantissa);
  if (logarithmic) {  // (-1)^S sqrt(e)^l, l = (-1)^S (c + m)
    const int64_t l = int64_t{c} * (1 << p) + m;
    set_power(out, true, s == 1 ? -l : l, p + 1, s == 1);
  } else {  // ((1 - 3 S) + f) 2^e, e = (-1)^S (c + S)
    mpfr_set_si_2exp(out.get(), m, -p, MPFR_RNDN);
    mpfr_add_si(out.get(), out.get(), 1 - 3 * s, MPFR_RNDN);
    mpfr_mul_2si(out.get(), out.get(), s == 1 ? -(c + 1) : c, MPFR_RNDN);
  }
  return true;
}

TEST(Takum, EveryCode) {
  Real real;
  for (const bool logarithmic : {false, true}) {
    for (int n = 2; n <= 16; ++n) {
      const ElementFormat f = element(fmt::format("takum{}{}", logarithmic ? "log" : "", n));
      for (uint32_t code = 0; code < f.code_count(); ++code) {
        const bool number = takum_value(bits_of(code, n), logarithmic, real);
        const double expected = number ? real.to_double() : code == 0 ? 0.0 : std::nan("");
        ASSERT_TRUE(same(value(f, code), expected)) << print(f) << " " << bits_of(code, n);
        if (!std::isnan(expected)) ASSERT_EQ(encode(f, expected), code) << print(f);
      }
      EXPECT_EQ(parse_element(print(f)).value(), f);
    }
  }
}

// The middles of the widest one are all that there are: those of shorter ones are takums of at most 16 bits.
TEST(Takum, MiddlesAreTheTakumsWithOneBitMore) {
  Real real;
  for (const bool logarithmic : {false, true}) {
    for (const int n : {2, 5, 8, 13, 16}) {
      const ElementFormat f = element(fmt::format("takum{}{}", logarithmic ? "log" : "", n));
      const CodebookIndex& index = f.codebook->index;
      for (size_t i = 0; i < index.middles.size(); ++i) {
        if (index.values[i] == 0 || index.values[i + 1] == 0) {
          ASSERT_TRUE(index.middles[i].is_zero());
          continue;
        }
        ASSERT_TRUE(takum_value(bits_of(2 * index.codes[i] + 1, n + 1), logarithmic, real));
        ASSERT_EQ(index.middles[i], real.to_exact()) << print(f) << " " << i;
        ASSERT_EQ(index.middles[i].sticky, logarithmic);
      }
    }
  }
}

// To the nearest bit string, ties to the even code; never to zero or NaR. By search over all codes.
uint32_t nearest_code(double x, int n, bool logarithmic) {
  if (x == 0) return 0;
  const auto half = 1u << (n - 1);
  const double a = std::fabs(x);
  uint32_t code = half - 1;
  Real middle;
  for (uint32_t c = 1; c < half - 1; ++c) {
    takum_value(bits_of(2 * c + 1, n + 1), logarithmic, middle);
    const int side = mpfr_cmp_d(middle.get(), a);  // of middle - a
    if (side > 0 || (side == 0 && c % 2 == 0)) {
      code = c;
      break;
    }
  }
  return x < 0 ? 2 * half - code : code;
}

TEST(Takum, NearestIsThatOfTheBitString) {
  Rng rng(3);
  Real real;
  const int widest = std::getenv("LOWBIT_EXHAUSTIVE") != nullptr ? 10 : 7;
  for (const bool logarithmic : {false, true}) {
    for (int n = 2; n <= widest; ++n) {
      const ElementFormat f = element(fmt::format("takum{}{}", logarithmic ? "log" : "", n));
      std::vector<double> inputs = {0.0, -0.0, 1e-300, -1e-300, 1e300, -1e300};
      for (uint32_t code = 0; code < 2 * f.code_count(); ++code) {
        if (!takum_value(bits_of(code, n + 1), logarithmic, real)) continue;
        const double v = real.to_double();
        inputs.insert(inputs.end(),
                      {v, std::nextafter(v, 1e300), std::nextafter(v, -1e300), v * (1 + rng.uniform())});
      }
      for (const double x : inputs) {
        const uint32_t expected = nearest_code(x, n, logarithmic);
        ASSERT_EQ(encode(f, x), expected) << print(f) << fmt::format(" {:a}", x);
        ASSERT_EQ(encode(f, Exact::of(x)), expected) << print(f) << fmt::format(" {:a}", x);
      }
    }
  }
}

// Values and codes that libtakum 1.0.1 (github.com/takum-arithmetic/libtakum) gives.
TEST(Takum, AgreesWithItsAuthorsLibrary) {
  struct Row {
    const char* name;
    uint32_t code;
    double value;
  };
  const Row rows[] = {{"takum8", 1, 0x1p-239},
                      {"takum8", 59, 0x1.6p-1},
                      {"takum8", 64, 1},
                      {"takum8", 69, 0x1.ap+0},
                      {"takum8", 120, 0x1p+127},
                      {"takum8", 127, 0x1p+239},
                      {"takum8", 129, -0x1p+239},
                      {"takum8", 255, -0x1p-239},
                      {"takumlog8", 1, 0x1.837871c944dacp-173},
                      {"takumlog8", 62, 0x1.c3d6a24ed8222p-1},
                      {"takumlog8", 64, 1},
                      {"takumlog8", 68, 0x1.48b5e3c3e8186p+0},
                      {"takumlog8", 127, 0x1.5246ada6fe687p+172},
                      {"takumlog8", 134, -0x1.9e387e16485e8p+114}};
  for (const Row& row : rows) EXPECT_EQ(value(element(row.name), row.code), row.value) << row.name << " " << row.code;
  for (const char* name : {"takum8", "takumlog8", "takum16", "takumlog16"}) {
    const ElementFormat f = element(name);
    const uint32_t nar = f.code_count() / 2;
    EXPECT_EQ(encode(f, 1e300), nar - 1);
    EXPECT_EQ(encode(f, -1e300), nar + 1);
    EXPECT_EQ(encode(f, 1e-300), 1u);
    EXPECT_EQ(encode(f, -1e-300), 2 * nar - 1);
    EXPECT_EQ(encode(f, HUGE_VAL), nar - 1);
    for (const double x : {std::nan(""), HUGE_VAL, -HUGE_VAL}) {
      EXPECT_EQ(encode(f, x, {Rounding::nearest_even, Saturation::none}), nar) << x;
    }
  }
  EXPECT_EQ(value(element("takum8"), encode(element("takum8"), 3.14159)), 3);
}

}  // namespace
}  // namespace lowbit::formats

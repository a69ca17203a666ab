// Posits against the definition of the standard, written out bit by bit, and against published values.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string>

#include "base/rng.h"
#include "formats/codebook.h"
#include "formats/encode_oracle.h"

namespace lowbit::formats {
namespace {

// The bit string of a posit, sign included, as its value (Posit Standard 2022, section 3.2).
double value_of(const std::string& bits, int es) {
  if (bits.find('1') == std::string::npos) return 0;
  if (bits[0] == '1' && bits.find('1', 1) == std::string::npos) return std::nan("");
  std::string body = bits;
  const bool negative = bits[0] == '1';
  if (negative) {
    // Two's complement: invert all, add one.
    for (char& c : body) c = c == '0' ? '1' : '0';
    size_t at = body.size() - 1;
    while (body[at] == '1') body[at--] = '0';
    body[at] = '1';
  }
  size_t at = 1;
  const char first = body[1];
  int run = 0;
  while (at < body.size() && body[at] == first) {
    ++run;
    ++at;
  }
  ++at;  // the end of the run
  int exponent = 0;
  for (int i = 0; i < es; ++i, ++at) exponent = 2 * exponent + (at < body.size() && body[at] == '1' ? 1 : 0);
  double significand = 1;
  for (double part = 0.5; at < body.size(); part /= 2, ++at) significand += body[at] == '1' ? part : 0;
  const double v = std::ldexp(significand, (first == '1' ? run - 1 : -run) * (1 << es) + exponent);
  return negative ? -v : v;
}

std::string bits_of(uint32_t code, int n) {
  std::string out;
  for (int i = n - 1; i >= 0; --i) out += (code >> i & 1) != 0 ? '1' : '0';
  return out;
}

// Nearest posit by the standard: to the nearest bit string, where a posit of one bit more lies between two posits of
// n bits; never to 0 or NaR. By search over all codes.
uint32_t nearest_code(double x, int n, int es) {
  if (x == 0) return 0;
  const uint32_t half = 1u << (n - 1);
  const double a = std::fabs(x);
  uint32_t code = half - 1;
  for (uint32_t c = 1; c < half - 1; ++c) {
    const double middle = value_of(bits_of(2 * c + 1, n + 1), es);
    if (a < middle || (a == middle && c % 2 == 0)) {
      code = c;
      break;
    }
  }
  return x < 0 ? 2 * half - code : code;
}

TEST(Posit, EveryCode) {
  for (int n = 2; n <= 16; ++n) {
    for (int es = 0; es <= 5; ++es) {
      const auto f = parse_element(fmt::format("posit{}.{}", n, es));
      if (!f.ok()) continue;
      for (uint32_t code = 0; code < f->code_count(); ++code) {
        const double got = value(*f, code), expected = value_of(bits_of(code, n), es);
        ASSERT_TRUE(same(got, expected)) << print(*f) << " " << code << ": " << got << ", not " << expected;
      }
    }
  }
}

TEST(Posit, NearestIsThatOfTheBitString) {
  Rng rng(3);
  const int widest = std::getenv("LOWBIT_EXHAUSTIVE") != nullptr ? 11 : 8;
  for (int n = 2; n <= widest; ++n) {
    for (int es = 0; es <= 3; ++es) {
      const ElementFormat f = element(fmt::format("posit{}.{}", n, es));
      std::vector<double> inputs = {0.0, -0.0, 1e-300, -1e-300, 1e300, -1e300};
      for (uint32_t code = 0; code < 2 * f.code_count(); ++code) {
        const double v = value_of(bits_of(code, n + 1), es);
        inputs.insert(inputs.end(),
                      {v, std::nextafter(v, 1e300), std::nextafter(v, -1e300), v * (1 + rng.uniform())});
      }
      for (const double x : inputs) {
        if (std::isnan(x)) continue;
        ASSERT_EQ(encode(f, x), nearest_code(x, n, es)) << print(f) << fmt::format(" {:a}", x);
        ASSERT_EQ(encode(f, Exact::of(x)), nearest_code(x, n, es)) << print(f) << fmt::format(" {:a}", x);
      }
    }
  }
}

// By the bits, and by the search among values and middles.
TEST(Posit, BothEncodersAgree) {
  for (const char* name : {"posit16", "posit16.0", "posit16.5", "posit15.6", "posit12.1", "posit9", "posit2.6"}) {
    const ElementFormat f = element(name);
    const CodebookIndex& index = f.codebook->index;
    for (size_t i = 0; i + 1 < index.values.size(); ++i) {
      for (const double x : {index.values[i], index.middles[i].to_double()}) {
        for (const double y : {std::nextafter(x, -HUGE_VAL), x, std::nextafter(x, HUGE_VAL)}) {
          ASSERT_EQ(encode(f, y), encode(f, Exact::of(y))) << name << fmt::format(" {:a}", y);
        }
      }
    }
  }
}

TEST(Posit, PublishedFacts) {
  const ElementFormat p8 = element("posit8");
  EXPECT_EQ(print(p8), "posit8");
  EXPECT_EQ(p8, element("posit8.2"));
  EXPECT_EQ(largest(p8), 0x1p24);
  EXPECT_EQ(value(p8, encode(p8, 0x1p-22)), 0x1p-20);
  EXPECT_EQ(value(p8, encode(p8, 0x1p-23)), 0x1p-24);
  EXPECT_EQ(largest(element("posit8.0")), 64);
  EXPECT_EQ(largest(element("posit16.1")), 0x1p28);
  EXPECT_EQ(largest(element("posit16")), 0x1p56);
  for (const double x : {std::nan(""), HUGE_VAL, -HUGE_VAL}) {
    EXPECT_EQ(encode(p8, x, {Rounding::nearest_even, Saturation::none}), 0x80u) << x;
  }
  EXPECT_EQ(encode(p8, HUGE_VAL), 0x7Fu);
  EXPECT_EQ(encode(p8, 1e300, {Rounding::nearest_even, Saturation::none}), 0x7Fu);
}

}  // namespace
}  // namespace lowbit::formats

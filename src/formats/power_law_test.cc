// Power laws against MPFR.
#include <gtest/gtest.h>

#include <cmath>

#include "formats/codebook.h"
#include "formats/encode_oracle.h"
#include "formats/mpfr_real.h"

namespace lowbit::formats {
namespace {

// (q / most)^(100 / hundredths).
double expected_value(uint32_t q, uint32_t most, int hundredths) {
  if (q == 0) return 0;
  Real base, exponent;
  mpfr_set_ui(exponent.get(), 100, MPFR_RNDN);
  mpfr_set_ui(base.get(), q, MPFR_RNDN);
  mpfr_div_ui(base.get(), base.get(), most, MPFR_RNDN);
  mpfr_div_ui(exponent.get(), exponent.get(), static_cast<unsigned long>(hundredths), MPFR_RNDN);
  mpfr_pow(base.get(), base.get(), exponent.get(), MPFR_RNDN);
  return base.to_double();
}

void check_codes(int bits, int hundredths, uint32_t step) {
  const ElementFormat f = element(fmt::format("pow{}a{}", bits, hundredths / 100.0));
  const uint32_t most = (1u << (bits - 1)) - 1;
  for (uint32_t q = 0; q <= most; q += step) {
    const double v = expected_value(q, most, hundredths);
    ASSERT_EQ(value(f, q), v) << print(f) << " " << q;
    ASSERT_EQ(encode(f, v), q) << print(f);
    if (q == 0) continue;
    ASSERT_EQ(value(f, f.code_count() - q), -v) << print(f) << " " << q;
    ASSERT_EQ(encode(f, -v), f.code_count() - q) << print(f);
  }
  EXPECT_EQ(parse_element(print(f)).value(), f);
  EXPECT_EQ(f.max_value(), 1);
  EXPECT_EQ(f.min_code(), most + 2) << "the lowest code is never made";
}

TEST(PowerLaw, EveryCode) {
  for (int hundredths = 5; hundredths <= 400; ++hundredths) {
    for (int bits = 2; bits <= 4; ++bits) check_codes(bits, hundredths, 1);
  }
  for (const int hundredths : {5, 33, 50, 75, 100, 105, 400}) {
    check_codes(8, hundredths, 1);
    if (hundredths % 50 != 0) check_codes(16, hundredths, 37);
  }
}

TEST(PowerLaw, OneIsAnInteger) {
  const ElementFormat f = element("pow5a1");
  for (int q = -15; q <= 15; ++q) EXPECT_EQ(value(f, static_cast<uint32_t>(q) & 31), q / 15.0);
}

TEST(PowerLaw, NearestIsByTheValues) {
  const ElementFormat f = element("pow3a0.5");  // 0, 1/9, 4/9, 1
  EXPECT_EQ(encode(f, 0.0555), 0u);
  EXPECT_EQ(encode(f, 0.0556), 1u);
  EXPECT_EQ(encode(f, 0.2777), 1u);
  EXPECT_EQ(encode(f, 0.2778), 2u);
  EXPECT_EQ(encode(f, 0.7222), 2u);
  EXPECT_EQ(encode(f, -0.7223), 5u);
  EXPECT_EQ(encode(f, -100.0), 5u);
}

TEST(PowerLaw, Spelling) {
  EXPECT_EQ(print(element("POW8A0.5")), "pow8a0.5");
  EXPECT_EQ(print(element("pow8a0.05")), "pow8a0.05");
  EXPECT_EQ(print(element("pow8a4")), "pow8a4");
  EXPECT_EQ(print(element("pow8a0.50")), "pow8a0.5");
  EXPECT_EQ(print(element("pow8a1.00")), "pow8a1");
  for (const char* wrong : {"pow", "pow8", "pow8a", "pow8a0", "pow8a0.", "pow8a0.500", "pow8a0.04", "pow8a4.01",
                            "pow8a00.5", "pow8a.5", "pow1a0.5", "pow17a0.5", "pow8a-1", "pow8a0.5x"}) {
    EXPECT_FALSE(parse_element(wrong).ok()) << wrong;
  }
}

}  // namespace
}  // namespace lowbit::formats

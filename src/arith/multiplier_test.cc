#include "arith/multiplier.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <thread>

#include "arith/mpfr_oracle.h"
#include "arith/tables.h"
#include "base/rng.h"

namespace lowbit::arith {
namespace {

const Multiplier& named(const char* name, const ElementFormat& f) {
  const auto found = find_multiplier(name, f);
  EXPECT_TRUE(found.ok()) << found.message();
  return **found;
}

int offset(int m) { return m <= 3 ? m : m == 4 ? 3 : 4; }

// The formula of the paper in double, exact for short significands.
double formula(const ElementFormat& f, double x, double y) {
  if (x == 0 || y == 0 || !std::isfinite(x) || !std::isfinite(y)) return x * y;
  const int ex = std::ilogb(x), ey = std::ilogb(y);
  const double xm = std::fabs(std::ldexp(x, -ex)) - 1, ym = std::fabs(std::ldexp(y, -ey)) - 1;
  const double v = std::ldexp(1 + xm + ym + std::ldexp(1.0, -offset(f.mantissa_bits)), ex + ey);
  return std::signbit(x) == std::signbit(y) ? v : -v;
}

TEST(Multiplier, FormulaOfLmul) {
  for (const char* name : {"e4m3fn", "e5m2", "e3m4", "e2m1", "e2m3", "binary8p4se", "ue5m3"}) {
    const ElementFormat f = element(name);
    const Multiplier& lmul = named("lmul", f);
    const TableOracle oracle(f);
    for (uint32_t a = 0; a < f.code_count(); ++a) {
      for (uint32_t b = 0; b < f.code_count(); ++b) {
        for (const Rounding rounding : kDeterministic) {
          const CastPolicy policy{rounding, Saturation::none};
          const double expected = oracle.expected({formula(f, formats::value(f, a), formats::value(f, b))}, policy);
          ASSERT_TRUE(oracle.matches(multiply(lmul, f, a, b, policy), expected))
              << fmt::format("{} {:x} {:x}", name, a, b);
        }
      }
    }
  }
  // x = y = 1.5 in e4m3: 1 + 0.5 + 0.5 + 1/8 = 2.125 between 2 and 2.25 (a tie); the product is 2.25.
  const ElementFormat f = element("e4m3fn");
  const uint32_t x = formats::encode(f, 1.5);
  EXPECT_EQ(named("lmul", f).product(f, Exact::of(1.5), Exact::of(1.5)), Exact::of(2.125));
  EXPECT_EQ(formats::value(f, multiply(named("lmul", f), f, x, x, {})), 2.0);
  EXPECT_EQ(formats::value(f, multiply(exact_multiplier(), f, x, x, {})), 2.25);
}

// The integer adder on codes, as hardware has it.
uint32_t adder(const ElementFormat& f, uint32_t a, uint32_t b) {
  const int m = f.mantissa_bits;
  const uint32_t sign_bit = f.is_signed ? 1u << (f.bits - 1) : 0;
  const uint32_t sign = (a ^ b) & sign_bit;
  const auto x = static_cast<int64_t>(a & ~sign_bit), y = static_cast<int64_t>(b & ~sign_bit);
  const int64_t first = int64_t{1} << m;
  if (x < first || y < first) return sign;
  const int64_t sum = x + y - (int64_t{f.bias} << m) + (first >> offset(m));
  if (sum < first) return sign;
  return sign | static_cast<uint32_t>(std::min<int64_t>(sum, f.max_code()));
}

TEST(Multiplier, AdderOfLmul) {
  for (const char* name : {"e4m3fn", "e5m2", "e3m4", "e2m1", "e2m3", "ue5m3", "f16", "bf16"}) {
    const ElementFormat f = element(name);
    const Multiplier& lmul = named("lmul-adder", f);
    Rng rng(5);
    const uint32_t tries = f.bits <= 8 ? f.code_count() * f.code_count() : 200'000;
    for (uint32_t i = 0; i < tries; ++i) {
      const uint32_t a = f.bits <= 8 ? i / f.code_count() : static_cast<uint32_t>(rng.below(f.code_count()));
      const uint32_t b = f.bits <= 8 ? i % f.code_count() : static_cast<uint32_t>(rng.below(f.code_count()));
      if (!std::isfinite(formats::value(f, a)) || !std::isfinite(formats::value(f, b))) continue;
      // Nothing is rounded: every rounding gives the same code.
      const CastPolicy policy{kDeterministic[i % 9], Saturation::finite};
      ASSERT_EQ(multiply(lmul, f, a, b, policy), adder(f, a, b)) << fmt::format("{} {:x} {:x}", name, a, b);
    }
  }
  // The fact that tells the two apart: x_m + y_m + 2^-l = 1.25 is 2.25 by the formula and 2.5 by the adder.
  const ElementFormat f = element("e4m3fn");
  const Exact a = Exact::of(1.5), b = Exact::of(1.625);
  EXPECT_EQ(named("lmul", f).product(f, a, b), Exact::of(2.25));
  EXPECT_EQ(named("lmul-adder", f).product(f, a, b), Exact::of(2.5));
}

TEST(Multiplier, ErrorsNameWhatThereIs) {
  EXPECT_EQ(find_multiplier("lmull", element("e4m3fn")).message(),
            "multiplier: found \"lmull\", expected one of exact, lmul, lmul-adder");
  EXPECT_EQ(find_multiplier("lmul", element("posit8")).message(),
            "multiplier lmul: found the format posit8, expected a float with at least one mantissa bit");
  EXPECT_FALSE(find_multiplier("lmul", element("e8m0")).ok());
  EXPECT_TRUE(find_multiplier("exact", element("int4")).ok());
}

// ---- tables ------------------------------------------------------------------------------------------------------

TEST(Tables, HoldWhatApplyGives) {
  for (const char* name : {"e4m3fn", "posit8", "e2m1", "nf4", "binary8p3se", "e2m3"}) {
    const ElementFormat f = element(name);
    const CastPolicy policy{Rounding::to_odd, Saturation::none};
    for (size_t i = 0; i < operations().size(); ++i) {
      const auto op = static_cast<Operation>(i);
      const uint8_t* table = result_table(op, f, policy);
      ASSERT_EQ(table == nullptr, operations()[i].operands == 3);
      if (table == nullptr) continue;
      EXPECT_EQ(table, result_table(op, f, policy));
      for (uint32_t a = 0; a < f.code_count(); ++a) {
        if (operations()[i].operands == 1) {
          ASSERT_EQ(table[a], apply(op, f, a, policy));
          continue;
        }
        for (uint32_t b = 0; b < f.code_count(); ++b) ASSERT_EQ(table[(a << f.bits) | b], apply(op, f, a, b, policy));
      }
    }
    if (f.kind != formats::ElementKind::floating) continue;
    const uint8_t* product = product_table(named("lmul", f), f, policy);
    for (uint32_t a = 0; a < f.code_count(); ++a) {
      for (uint32_t b = 0; b < f.code_count(); ++b) {
        ASSERT_EQ(product[(a << f.bits) | b], multiply(named("lmul", f), f, a, b, policy));
      }
    }
  }
  EXPECT_EQ(result_table(Operation::add, element("f16"), {}), nullptr);
  EXPECT_EQ(result_table(Operation::add, element("e4m3fn"), {Rounding::stochastic, {}}), nullptr);
  const CastPolicy up{Rounding::up, Saturation::none}, down{Rounding::down, Saturation::none};
  EXPECT_NE(result_table(Operation::add, element("e5m2"), up), result_table(Operation::add, element("e5m2"), down));
}

// Codebooks made at run time may share a name.
TEST(Tables, TellEqualNamesApart) {
  const ElementFormat a = formats::make_codebook("made", 2, {0, 1, 2, 3});
  const ElementFormat b = formats::make_codebook("made", 2, {3, 1, 2, 0});
  EXPECT_EQ(result_table(Operation::add, a, {})[(1 << 2) | 1], 2);
  EXPECT_EQ(result_table(Operation::add, b, {})[(1 << 2) | 3], 1);
  EXPECT_EQ(result_table(Operation::add, b, {})[(1 << 2) | 2], 0);
}

TEST(Tables, AnyThreadMayAsk) {
  const uint8_t* seen[8] = {};
  std::vector<std::thread> threads;
  for (const uint8_t*& slot : seen) {
    threads.emplace_back([&slot] {
      slot = result_table(Operation::multiply, formats::parse_element("e3m4").value(), {Rounding::away, {}});
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const uint8_t* table : seen) EXPECT_EQ(table, seen[0]);
}

}  // namespace
}  // namespace lowbit::arith

#include "arith/by_double.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "arith/mpfr_oracle.h"
#include "base/rng.h"

namespace lowbit::arith {
namespace {

void compare(const ElementFormat& f, const CastPolicy& policy, uint32_t a, uint32_t b, uint32_t c) {
  const ByDouble fast = ByDouble::make(f, policy).value();
  const auto what = [&] { return fmt::format("{} {} {:x} {:x} {:x}", print(f), print_rounding(policy), a, b, c); };
  ASSERT_EQ(fast.add(a, b), apply(Operation::add, f, a, b, policy)) << what();
  ASSERT_EQ(fast.subtract(a, b), apply(Operation::subtract, f, a, b, policy)) << what();
  ASSERT_EQ(fast.multiply(a, b), apply(Operation::multiply, f, a, b, policy)) << what();
  ASSERT_EQ(fast.divide(a, b), apply(Operation::divide, f, a, b, policy)) << what();
  ASSERT_EQ(fast.square_root(a), apply(Operation::square_root, f, a, policy)) << what();
  ASSERT_EQ(fast.fma(a, b, c), apply(Operation::fma, f, a, b, c, policy)) << what();
}

TEST(ByDouble, GivesTheCodesOfApply) {
  const std::vector<const char*> names = {"f16",      "bf16",      "posit16",   "e6m9",    "binary12p4se", "fix16.8",
                                          "int16",    "ue5m11",    "e8m0",      "e7m8fn",  "e4m3fn",       "e4m11",
                                          "fix16.32", "posit12.1", "e5m10fnuz", "int9sym", "ufix16.16",    "e8m7ftz"};
  const Rounding roundings[] = {
      Rounding::nearest_even, Rounding::nearest_away, Rounding::nearest_zero, Rounding::nearest_odd, Rounding::up,
      Rounding::down,         Rounding::to_zero,      Rounding::away,         Rounding::to_odd,      Rounding::jam};
  const int tries = exhaustive() ? 1'000'000 : 10'000;
  for (const char* name : names) {
    const ElementFormat f = element(name);
    Rng rng(606);
    for (int i = 0; i < tries && !testing::Test::HasFatalFailure(); ++i) {
      const auto draw = [&] { return static_cast<uint32_t>(rng.below(f.code_count())); };
      uint32_t a = draw(), b = draw(), c = draw();
      const CastPolicy policy{roundings[rng.below(10)], kSaturations[rng.below(3)]};
      const uint64_t kind = rng.below(8);
      if (kind == 0) b = (a + static_cast<uint32_t>(rng.below(5))) % f.code_count();
      if (kind == 1) b = formats::encode(f, negate(formats::decode_exact(f, a)));
      if (kind == 2) b = formats::encode(f, Exact::zero(rng.below(2) == 0));
      if (kind >= 5)
        c = formats::encode(f, negate(multiply(formats::decode_exact(f, a), formats::decode_exact(f, b))));
      compare(f, policy, a, b, c);
    }
  }
}

TEST(ByDouble, RefusesWhatItCannot) {
  EXPECT_FALSE(ByDouble::make(element("f32"), {}).has_value());
  EXPECT_FALSE(ByDouble::make(element("e9m6"), {}).has_value());
  EXPECT_FALSE(ByDouble::make(element("f16"), {Rounding::stochastic, {}}).has_value());
}

}  // namespace
}  // namespace lowbit::arith

// The public scalars: as tables, as code of users, inside Eigen.
#include "lowbit/number.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <cmath>
#include <numeric>
#include <sstream>
#include <thread>
#include <vector>

#include "arith/decimal.h"
#include "arith/mpfr_oracle.h"
#include "base/rng.h"
#include "lowbit/eigen.h"

namespace lowbit {
namespace {

using E4m3 = Number<"e4m3fn", "rne", "none", uint8_t>;
using Half = Number<"f16">;
using Bf16 = Number<"bf16">;
using Posit = Number<"posit16">;

static_assert(sizeof(E4m3) == 1 && sizeof(Half) == 2 && sizeof(Number<"f32", "rne", "none", uint32_t>) == 4);
static_assert(std::is_trivially_copyable_v<E4m3>);
static_assert(!std::is_convertible_v<double, Half> && !std::is_convertible_v<Half, double>);
static_assert(!std::is_convertible_v<Half, Bf16> && std::is_constructible_v<Bf16, Half>);

template <class T>
void check_operations(const char* format, const char* rounding, int tries) {
  const formats::ElementFormat f = formats::parse_element(format).value();
  const formats::CastPolicy policy = formats::parse_policy(rounding, "none").value();
  Rng rng(11);
  for (int i = 0; i < tries; ++i) {
    const auto a = static_cast<uint32_t>(rng.below(f.code_count())),
               b = static_cast<uint32_t>(rng.below(f.code_count()));
    const auto c = static_cast<uint32_t>(rng.below(f.code_count()));
    const T x = T::from_code(a), y = T::from_code(b), z = T::from_code(c);
    using arith::Operation;
    ASSERT_EQ((x + y).code(), arith::apply(Operation::add, f, a, b, policy));
    ASSERT_EQ((x - y).code(), arith::apply(Operation::subtract, f, a, b, policy));
    ASSERT_EQ((x * y).code(), arith::apply(Operation::multiply, f, a, b, policy));
    ASSERT_EQ((x / y).code(), arith::apply(Operation::divide, f, a, b, policy));
    ASSERT_EQ(sqrt(x).code(), arith::apply(Operation::square_root, f, a, policy));
    ASSERT_EQ(fma(x, y, z).code(), arith::apply(Operation::fma, f, a, b, c, policy));
    const double u = static_cast<double>(x), v = static_cast<double>(y);
    ASSERT_EQ(x == y, u == v);
    ASSERT_EQ(x != y, u != v);
    ASSERT_EQ(x < y, u < v);
    ASSERT_EQ(x >= y, u >= v);
    ASSERT_EQ(isnan(x), std::isnan(u));
    ASSERT_EQ(isinf(x), std::isinf(u));
    if (!isnan(x)) {
      ASSERT_EQ(signbit(x), std::signbit(u));
      const double most = static_cast<double>(std::numeric_limits<T>::max());  // less than |-128| in int8
      ASSERT_EQ(static_cast<double>(abs(x)), std::isinf(u) ? HUGE_VAL : std::min(std::fabs(u), most)) << u;
      ASSERT_EQ(T(u).code(), x.code());
    }
  }
}

TEST(Number, OperationsAreThoseOnCodes) {
  check_operations<E4m3>("e4m3fn", "rne", 20000);
  check_operations<Number<"e4m3fn", "rz">>("e4m3fn", "rz", 20000);
  check_operations<Number<"e5m2fnuz", "ru", "none", uint8_t>>("e5m2fnuz", "ru", 20000);
  check_operations<Number<"posit8">>("posit8", "rne", 20000);
  check_operations<Number<"int8", "rd">>("int8", "rd", 20000);
  check_operations<Number<"bf16", "odd">>("bf16", "odd", 20000);
  check_operations<Posit>("posit16", "rne", 20000);
  check_operations<Number<"binary12p4se">>("binary12p4se", "rne", 20000);
  check_operations<Number<"fix16.8">>("fix16.8", "rne", 20000);
}

TEST(Number, HalfIsTheProcessors) {
  // _Float16 of the compiler: each operation in float, rounded to half; harmless for single operations (24 >= 2 * 11
  // + 2).
  const formats::ElementFormat f = formats::parse_element("f16").value();
  Rng rng(12);
  for (int i = 0; i < 50000; ++i) {
    const Half a = Half::from_code(rng.next_u32() & 0xFFFF), b = Half::from_code(rng.next_u32() & 0xFFFF);
    const float x = static_cast<float>(a), y = static_cast<float>(b);
    const auto half = [&](float v) {
      return f.decode(formats::encode(f, v, {formats::Rounding::nearest_even, formats::Saturation::none}));
    };
    ASSERT_TRUE(formats::same(static_cast<float>(a + b), half(x + y)));
    ASSERT_TRUE(formats::same(static_cast<float>(a * b), half(x * y)));
    ASSERT_TRUE(formats::same(static_cast<float>(a / b), half(x / y)));
    ASSERT_TRUE(formats::same(static_cast<float>(sqrt(a)), half(std::sqrt(x))));
  }
}

TEST(Number, ConversionsRoundOnce) {
  EXPECT_EQ(static_cast<double>(E4m3(464.0)), 448.0);
  EXPECT_TRUE(isnan(E4m3(465.0)));
  EXPECT_EQ(static_cast<double>(Half(1 + 0x1p-11 + 0x1p-40)), 1 + 0x1p-10);  // float would make a tie of it
  EXPECT_EQ(static_cast<double>(Half(2049)), 2048.0);
  EXPECT_EQ(static_cast<double>(Bf16(INT64_MIN)), -0x1p63);
  // 2^63 + 2^55 + 1 lies above a tie of bf16, and no double.
  EXPECT_EQ(static_cast<double>(Bf16((uint64_t{1} << 63) + (uint64_t{1} << 55) + 1)), 0x1p63 + 0x1p56);
  EXPECT_EQ(static_cast<double>(E4m3(Posit(0.3))), 0.3125);
  EXPECT_EQ(static_cast<int>(Half(-3.75)), -3);
  EXPECT_EQ(static_cast<double>(Number<"nf4">()), 0.0);
  EXPECT_EQ(static_cast<double>(Number<"int8", "rz", "wrap">(300)), 44.0);
  EXPECT_TRUE(isnan(-Half(NAN)) && signbit(-Half(0.0)) && isinf(Half(1) / Half(0)));
}

TEST(Number, LimitsOfKnownFormats) {
  using L = std::numeric_limits<Half>;
  EXPECT_EQ(L::digits, 11);
  EXPECT_EQ(L::digits10, 3);
  EXPECT_EQ(L::max_digits10, 5);
  EXPECT_EQ(L::min_exponent, -13);
  EXPECT_EQ(L::max_exponent, 16);
  EXPECT_EQ(static_cast<double>(L::max()), 65504.0);
  EXPECT_EQ(static_cast<double>(L::lowest()), -65504.0);
  EXPECT_EQ(static_cast<double>(L::min()), 0x1p-14);
  EXPECT_EQ(static_cast<double>(L::denorm_min()), 0x1p-24);
  EXPECT_EQ(static_cast<double>(L::epsilon()), 0x1p-10);
  EXPECT_TRUE(L::has_infinity && L::has_quiet_NaN && isinf(L::infinity()) && isnan(L::quiet_NaN()));
  using F = std::numeric_limits<Number<"f32", "rne", "none", uint32_t>>;
  using G = std::numeric_limits<float>;
  EXPECT_EQ(F::digits, G::digits);
  EXPECT_EQ(F::digits10, G::digits10);
  EXPECT_EQ(F::max_digits10, G::max_digits10);
  EXPECT_EQ(F::min_exponent, G::min_exponent);
  EXPECT_EQ(F::max_exponent, G::max_exponent);
  EXPECT_EQ(F::min_exponent10, G::min_exponent10);
  EXPECT_EQ(F::max_exponent10, G::max_exponent10);
  EXPECT_EQ(static_cast<float>(F::max()), G::max());
  EXPECT_EQ(static_cast<float>(F::min()), G::min());
  EXPECT_EQ(static_cast<float>(F::denorm_min()), G::denorm_min());
  EXPECT_EQ(static_cast<float>(F::epsilon()), G::epsilon());
  EXPECT_FALSE(std::numeric_limits<E4m3>::has_infinity);
  EXPECT_EQ(static_cast<double>(std::numeric_limits<E4m3>::max()), 448.0);
  EXPECT_EQ(static_cast<double>(std::numeric_limits<Posit>::epsilon()), 0x1p-11);
  EXPECT_EQ(std::numeric_limits<Posit>::digits, 12);
  EXPECT_EQ(static_cast<double>(std::numeric_limits<Posit>::min()), 0x1p-56);
  EXPECT_EQ(static_cast<double>(std::numeric_limits<Number<"fix8.4">>::epsilon()), 0.0625);
  EXPECT_EQ(static_cast<double>(std::numeric_limits<Number<"e8m0">>::denorm_min()), 0x1p-127);
  EXPECT_FALSE(std::numeric_limits<Number<"ue5m3">>::is_signed);
}

TEST(Number, TextIsRoundedOnce) {
  using namespace literals;
  EXPECT_EQ(static_cast<double>(0.1_e4m3fn), 0.1015625);
  EXPECT_EQ(static_cast<double>(-1'000.5_f16), -1000.5);
  EXPECT_EQ(static_cast<double>(1e300_posit16), 0x1p56);
  // Just above the tie between 1 and 1 + 2^-10, by less than a double can tell.
  EXPECT_EQ(static_cast<double>(1.00048828125000000000000000000000000000001_f16), 1 + 0x1p-10);
  EXPECT_EQ(static_cast<double>(1.00048828125_f16), 1.0);
  std::stringstream stream("0.1 -inf nan 2.5e1 x");
  Half a, b, c, d, e(7);
  stream >> a >> b >> c >> d;
  EXPECT_EQ(static_cast<double>(a), 0.0999755859375);
  EXPECT_TRUE(isinf(b) && signbit(b) && isnan(c));
  EXPECT_EQ(static_cast<double>(d), 25.0);
  EXPECT_FALSE(stream >> e);
  EXPECT_EQ(static_cast<double>(e), 7.0);
  std::ostringstream out;
  out << Half(0.1) << ' ' << E4m3(448) << ' ' << DynamicNumber(NumberFormat::of("bf16"), 0.5);
  EXPECT_EQ(out.str(), "0.0999756 448 0.5");
}

// mpfr_strtofr toward zero.
TEST(Number, DecimalsAgainstMpfr) {
  Rng rng(13);
  arith::Mpfr expected, got;
  for (int i = 0; i < 20000; ++i) {
    std::string text = rng.below(2) == 0 ? "-" : "";
    const uint64_t digits = 1 + rng.below(i % 50 == 0 ? 1500 : 40);
    const uint64_t point = rng.below(digits + 1);
    for (uint64_t k = 0; k < digits; ++k) {
      if (k == point) text += '.';
      text += static_cast<char>('0' + rng.below(10));
    }
    if (rng.below(3) > 0) text += fmt::format("e{}", static_cast<int>(rng.below(700)) - 350);
    if (rng.below(20) == 0)
      text = fmt::format("{:.{}e}", std::ldexp(1 + rng.uniform(), 60), static_cast<int>(rng.below(60)));
    const auto x = arith::parse_decimal(text);
    ASSERT_TRUE(x.has_value()) << text;
    const int ternary = mpfr_strtofr(expected, text.c_str(), nullptr, 10, MPFR_RNDZ);
    got.set(*x);
    ASSERT_TRUE(mpfr_equal_p(expected.get(), got.get()) && x->sticky == (ternary != 0)) << text;
  }
  for (const char* text :
       {"", "-", ".", "e5", "1e", "1e+", "0x1", "1.5f", "1..2", "--1", "in", "'1", "1''2", "infinityx"}) {
    EXPECT_FALSE(arith::parse_decimal(text).has_value()) << text;
  }
  EXPECT_TRUE(arith::parse_decimal("-0.000e99999999999")->is_zero());
  EXPECT_GT(arith::parse_decimal("1e99999999999")->exponent, 60000);
  EXPECT_LT(arith::parse_decimal("1e-99999999999")->exponent, -60000);
  EXPECT_EQ(arith::parse_decimal("1" + std::string(5000, '0') + "e-5000"), formats::Exact::of(1));
  EXPECT_TRUE(arith::parse_decimal("1." + std::string(5000, '0') + "1")->sticky);
}

TEST(Number, StochasticStreamsRepeat) {
  using Sr = Number<"e4m3fn", "sr">;
  const auto walk = [] {
    Sr sum(0);
    for (int i = 0; i < 100; ++i) sum += Sr(1);
    return static_cast<double>(sum);
  };
  seed_rounding(5, 1);
  const double first = walk();
  const double second = walk();
  seed_rounding(5, 1);
  EXPECT_EQ(walk(), first);
  EXPECT_EQ(walk(), second);
  double mean = 0;
  for (uint64_t stream = 0; stream < 300; ++stream) {
    seed_rounding(6, stream);
    mean += walk() / 300;
  }
  EXPECT_NEAR(mean, 100, 5);
  double other = 0;
  std::thread([&] {
    seed_rounding(5, 1);
    other = walk();
  }).join();
  EXPECT_EQ(other, first);
  seed_rounding(0);
}

TEST(DynamicNumber, IsNumberWithAFormatOfItsOwn) {
  const NumberFormat& f = NumberFormat::of("float8_e4m3fn");
  EXPECT_EQ(&f, &E4m3::format());  // one meaning, one address
  EXPECT_NE(&f, &NumberFormat::of("e4m3fn", "rz"));
  for (uint32_t a = 0; a < 256; ++a) {
    for (uint32_t b = 0; b < 256; b += 3) {
      const DynamicNumber x = DynamicNumber::from_code(f, a), y = DynamicNumber::from_code(f, b);
      ASSERT_EQ(((x + y) * x - y / x).code(), ((E4m3::from_code(a) + E4m3::from_code(b)) * E4m3::from_code(a) -
                                               E4m3::from_code(b) / E4m3::from_code(a))
                                                  .code());
      ASSERT_EQ(x < y, E4m3::from_code(a) < E4m3::from_code(b));
    }
  }
  const DynamicNumber x(f, 1.5), wide(NumberFormat::of("posit16"), x);
  EXPECT_EQ(static_cast<double>(fma(wide, wide, -wide)), 0.75);
  EXPECT_EQ(static_cast<double>(abs(-sqrt(wide * wide))), 1.5);
}

TEST(NumberDeathTest, MisuseEndsTheProgram) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  const DynamicNumber a(NumberFormat::of("e4m3fn"), 1), b(NumberFormat::of("e5m2"), 1);
  EXPECT_DEATH(a + b, "numbers of two formats met");
  EXPECT_DEATH(sqrt(DynamicNumber()), "without a format");
  EXPECT_DEATH(NumberFormat::of("e4m33"), "column");
  EXPECT_DEATH((Number<"bf16", "rne", "none", uint8_t>(1.0)), "bf16 has 16 bits, its Number holds 8");
  std::string error;
  EXPECT_EQ(NumberFormat::find("e4m3fn", "nearest", "none", &error), nullptr);
  EXPECT_NE(error.find("rounding"), std::string::npos) << error;
}

// ---- code of users -----------------------------------------------------------------------------------------------

TEST(Number, StandardAlgorithms) {
  std::vector<Bf16> x;
  for (int i = 0; i < 20; ++i) x.push_back(Bf16(std::cos(i)));
  std::sort(x.begin(), x.end());
  EXPECT_TRUE(std::is_sorted(x.begin(), x.end(),
                             [](Bf16 a, Bf16 b) { return static_cast<float>(a) < static_cast<float>(b); }));
  const Bf16 dot = std::inner_product(x.begin(), x.end(), x.begin(), Bf16(0));
  double expected = 0;
  for (const Bf16 v : x) expected += static_cast<double>(v) * static_cast<double>(v);
  EXPECT_NEAR(static_cast<double>(dot), expected, 20 * 0x1p-9 * expected);
  EXPECT_EQ(std::max(Bf16(1), Bf16(2)), Bf16(2));
}

// A product of matrices in Eigen is the chain of its scalar; a solution solves.
TEST(Number, InsideEigen) {
  using Matrix = Eigen::Matrix<Half, Eigen::Dynamic, Eigen::Dynamic>;
  using Vector = Eigen::Matrix<Half, Eigen::Dynamic, 1>;
  Eigen::MatrixXd wide(6, 6);
  for (int i = 0; i < 6; ++i) {
    for (int k = 0; k < 6; ++k) wide(i, k) = 1.0 / (1 + i + 2 * k) + (i == k ? 2 : 0);
  }
  const Matrix a = wide.cast<Half>();
  const Vector ones = Vector::Constant(6, Half(1));
  const Vector b = a * ones;
  for (int i = 0; i < 6; ++i) {
    Half sum(0);
    for (int k = 0; k < 6; ++k) sum += a(i, k) * ones(k);
    EXPECT_EQ(b(i), sum);
  }
  const Vector x = a.partialPivLu().solve(b);
  EXPECT_LT((x.cast<double>() - Eigen::VectorXd::Ones(6)).norm(), 0.02);
  const Vector q = a.householderQr().solve(b);
  EXPECT_LT((q.cast<double>() - Eigen::VectorXd::Ones(6)).norm(), 0.02);
  EXPECT_TRUE((a + a).isApprox(Half(2) * a));
  EXPECT_EQ(a.cwiseAbs().maxCoeff(), Half(3));
}

}  // namespace
}  // namespace lowbit

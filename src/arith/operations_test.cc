#include "arith/operations.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <memory>

#include "arith/mpfr_oracle.h"
#include "base/rng.h"

namespace lowbit::arith {
namespace {

// ---- on exact numbers: 64 bits and what is left ------------------------------------------------------------------

Exact random_exact(Rng& rng, int span) {
  const uint64_t kind = rng.below(40);
  const bool negative = rng.below(2) == 0;
  if (kind == 0) return Exact::zero(negative);
  if (kind == 1) return Exact::infinity(negative);
  if (kind == 2) return Exact::nan();
  uint64_t significand = rng.next_u64();
  const uint64_t shape = rng.below(6);
  if (shape == 0) significand = uint64_t{1} << rng.below(64);
  if (shape == 1) significand = ~uint64_t{0} << rng.below(64);
  if (shape == 2) significand = ~uint64_t{0} - rng.below(4);
  if (shape == 3) significand >>= rng.below(63);
  if (significand == 0) significand = 1;
  return Exact::finite(negative, significand,
                       static_cast<int64_t>(rng.below(static_cast<uint64_t>(span))) - span / 2);
}

// x moved by a little: what cancels against x.
Exact near(Rng& rng, Exact x) {
  if (x.kind != Exact::Kind::finite) return x;
  const uint64_t step = rng.below(3) == 0 ? 0 : uint64_t{1} << rng.below(64);
  const uint64_t moved = rng.below(2) == 0 ? x.significand + step : x.significand - step;
  if (moved == 0) return x;
  Exact out = Exact::finite(!x.negative, moved, x.exponent - 63);
  out.exponent = x.exponent + static_cast<int32_t>(rng.below(3)) - 1;
  return out;
}

void expect_exact(Operation op, const std::vector<Exact>& x) {
  for (const Rounding rounding : {Rounding::nearest_even, Rounding::down}) {
    Mpfr a, b, c, out;
    mpfr_ptr operands[] = {a, b, c};
    Mpfr* const values[] = {&a, &b, &c};
    for (size_t i = 0; i < x.size(); ++i) values[i]->set(x[i]);
    const bool more = by_mpfr(op, out, operands, rounding);
    const Exact got = row_of(op).compute(x.data(), rounding);
    Mpfr mine;
    mine.set(got);
    const bool same_value = mpfr_nan_p(out.get()) != 0 ? got.is_nan()
                                                       : mpfr_equal_p(mine.get(), out.get()) != 0 &&
                                                             got.negative == (mpfr_signbit(out.get()) != 0);
    std::string text;
    for (const Exact& v : x) {
      text += fmt::format(" {}{:x}p{}", v.negative ? "-" : "", v.significand, v.exponent);
    }
    ASSERT_TRUE(same_value && got.sticky == more)
        << row_of(op).name << text << fmt::format(": {:x}p{} {}", got.significand, got.exponent, got.sticky);
  }
}

TEST(Operations, ExactNumbersAgainstMpfr) {
  Rng rng(101);
  const int count = exhaustive() ? 10'000'000 : 50'000;
  for (int i = 0; i < count && !testing::Test::HasFatalFailure(); ++i) {
    const int span = i % 3 == 0 ? 4 : i % 3 == 1 ? 150 : 600;
    Exact a = random_exact(rng, span), b = random_exact(rng, span), c = random_exact(rng, span);
    if (rng.below(4) == 0) b = near(rng, a);
    for (const Operation op : {Operation::add, Operation::subtract, Operation::multiply, Operation::divide}) {
      expect_exact(op, {a, b});
    }
    expect_exact(Operation::square_root, {a});
    expect_exact(Operation::faa, {a, b, c});
    expect_exact(Operation::faa, {a, near(rng, a), c});
    expect_exact(Operation::faa, {c, a, near(rng, a)});
    expect_exact(Operation::fma, {a, b, c});
    Exact product = multiply(a, b);
    product.sticky = false;
    expect_exact(Operation::fma, {a, b, near(rng, product)});
  }
}

TEST(Operations, SpecialCasesOfIeee754) {
  const Exact zero = Exact::zero(), minus_zero = Exact::zero(true), one = Exact::of(1), inf = Exact::infinity();
  const Exact minus_inf = Exact::infinity(true);
  const auto rne = Rounding::nearest_even;
  EXPECT_TRUE(divide(zero, zero).is_nan());
  EXPECT_TRUE(divide(inf, minus_inf).is_nan());
  EXPECT_EQ(divide(one, minus_zero), minus_inf);
  EXPECT_EQ(divide(negate(one), inf), minus_zero);
  EXPECT_TRUE(add(inf, minus_inf, rne).is_nan());
  EXPECT_TRUE(subtract(inf, inf, rne).is_nan());
  EXPECT_TRUE(multiply(zero, inf).is_nan());
  EXPECT_TRUE(fma(zero, inf, one, rne).is_nan());
  EXPECT_TRUE(fma(one, inf, minus_inf, rne).is_nan());
  EXPECT_EQ(fma(one, inf, one, rne), inf);
  EXPECT_TRUE(square_root(negate(one)).is_nan());
  EXPECT_EQ(square_root(minus_zero), minus_zero);
  EXPECT_EQ(subtract(one, one, rne), zero);
  EXPECT_EQ(subtract(one, one, Rounding::down), minus_zero);
  EXPECT_EQ(add(minus_zero, minus_zero, rne), minus_zero);
  EXPECT_EQ(add(zero, minus_zero, rne), zero);
  EXPECT_EQ(add(zero, minus_zero, Rounding::down), minus_zero);
  EXPECT_EQ(fma(one, one, negate(one), Rounding::down), minus_zero);
  EXPECT_EQ(fma(minus_zero, one, minus_zero, rne), minus_zero);
  EXPECT_EQ(faa(one, negate(one), minus_zero, rne), zero);
}

// ---- on codes: every pair ----------------------------------------------------------------------------------------

// What the codes of a format mean, for MPFR.
std::vector<std::unique_ptr<Mpfr>> mpfr_values(const ElementFormat& f) {
  std::vector<std::unique_ptr<Mpfr>> out;
  for (uint32_t code = 0; code < f.code_count(); ++code) {
    out.push_back(std::make_unique<Mpfr>());
    out.back()->set(formats::decode_exact(f, code));
  }
  return out;
}

// The operation on the operands by MPFR against apply(), in every deterministic mode.
class PairCheck {
 public:
  explicit PairCheck(const ElementFormat& f) : f_(f), oracle_(f), values_(mpfr_values(f)) {}

  void check(Operation op, uint32_t a, uint32_t b, uint32_t c = 0) {
    mpfr_ptr x[] = {values_[a]->get(), values_[b]->get(), values_[c]->get()};
    const bool signless_divisor = op == Operation::divide && !has_negative_zero(f_) && mpfr_zero_p(x[1]) != 0;
    const auto exact = [&](Rounding rounding) {
      const bool more = by_mpfr(op, out_, x, rounding);
      return signless_divisor ? Truncated{std::nan(""), false} : truncated(out_, more);
    };
    const Truncated result = exact(Rounding::nearest_even);
    if (oracle_.undecided(result)) return;
    // The sign of a sum that is 0.
    const Truncated result_down = result.value == 0 ? exact(Rounding::down) : result;
    for (const Rounding rounding : kDeterministic) {
      const CastPolicy policy{rounding, kSaturations[count_++ % 3]};
      const double expected = oracle_.expected(rounding == Rounding::down ? result_down : result, policy);
      const int operands = row_of(op).operands;
      const uint32_t got = operands == 1   ? apply(op, f_, a, policy)
                           : operands == 2 ? apply(op, f_, a, b, policy)
                                           : apply(op, f_, a, b, c, policy);
      ASSERT_TRUE(oracle_.matches(got, expected))
          << fmt::format("{} {}({:#x}, {:#x}, {:#x}) {} {}: code {:#x} is {}, expected {}", print(f_),
                         row_of(op).name, a, b, c, formats::print_rounding(policy),
                         formats::print_saturation(policy.saturation), got, formats::value(f_, got), expected);
    }
  }

  uint64_t count() const { return count_; }

 private:
  ElementFormat f_;
  TableOracle oracle_;
  std::vector<std::unique_ptr<Mpfr>> values_;
  Mpfr out_{53};
  uint64_t count_ = 0;
};

std::vector<std::string> pair_formats() {
  std::vector<std::string> out = {
      "e4m3fn",   "e5m2",  "e3m4",   "e4m3fnuz",  "binary8p4se", "binary8p1ue", "ue5m3",   "e8m0",     "posit8",
      "posit8.0", "int8",  "fix8.4", "e2m1",      "nf4",         "binary4p2sf", "iq4nl",   "bipolar3", "e2m3",
      "ternary",  "uint3", "lns7.3", "lns6.2lin", "takum7",      "takumlog7",   "pow6a0.5"};
  if (!exhaustive()) return out;
  for (const formats::ElementRow& row : formats::named_elements()) out.emplace_back(row.name);
  for (int p = 1; p <= 8; ++p) {
    for (const char* suffix : {"sf", "se", "uf", "ue"}) out.push_back(fmt::format("binary8p{}{}", p, suffix));
  }
  for (int i = 0; i <= 8; ++i) {
    out.push_back(fmt::format("fix8.{}", i));
    out.push_back(fmt::format("ufix8.{}", i));
    if (i <= 4) out.push_back(fmt::format("posit8.{}", i));
    for (const char* suffix : {"", "fn", "fnuz", "finite", "nuz", "n", "inf"}) {
      out.push_back(fmt::format("e{}m{}{}", 7 - i, i, suffix));
    }
    out.push_back(fmt::format("ue{}m{}", 8 - i, i));
  }
  for (const char* name : {"uint8", "int8sm", "int8sym", "e4m3fnb3", "e4m3b11fn", "bipolar8"}) out.push_back(name);
  return out;
}

TEST(Operations, EveryPairOfCodesAgainstMpfr) {
  uint64_t checked = 0;
  for (const std::string& name : pair_formats()) {
    const auto f = formats::parse_element(name);
    if (!f.ok() || f->bits > 8) continue;
    PairCheck pairs(*f);
    for (uint32_t a = 0; a < f->code_count() && !HasFatalFailure(); ++a) {
      pairs.check(Operation::square_root, a, 0);
      for (uint32_t b = 0; b < f->code_count() && !HasFatalFailure(); ++b) {
        pairs.check(Operation::add, a, b);
        pairs.check(Operation::subtract, a, b);
        pairs.check(Operation::multiply, a, b);
        pairs.check(Operation::divide, a, b);
      }
    }
    checked += pairs.count();
  }
  EXPECT_GT(checked, 12u * 65536 * 4 * 9);
}

TEST(Operations, RandomTriplesAgainstMpfr) {
  const std::vector<const char*> names = {"e4m3fn", "e5m2", "e2m1",    "binary8p3se", "posit8",      "int8",
                                          "f16",    "bf16", "posit16", "e6m9",        "binary12p4se"};
  const int count = exhaustive() ? 1'000'000 : 10'000;
  for (const char* name : names) {
    const ElementFormat f = element(name);
    PairCheck triples(f);
    Rng rng(202);
    for (int i = 0; i < count && !HasFatalFailure(); ++i) {
      const auto a = static_cast<uint32_t>(rng.below(f.code_count())),
                 b = static_cast<uint32_t>(rng.below(f.code_count()));
      auto c = static_cast<uint32_t>(rng.below(f.code_count()));
      if (rng.below(2) == 0) {  // near cancellation
        c = apply(Operation::multiply, f, a, b, {Rounding::nearest_even, Saturation::finite});
        c = formats::encode(f, negate(formats::decode_exact(f, c)));
        c = (c + static_cast<uint32_t>(rng.below(3)) + f.code_count() - 1) % f.code_count();
      }
      triples.check(Operation::fma, a, b, c);
      triples.check(Operation::faa, a, b, c);
      if (f.bits > 8) {
        triples.check(Operation::add, a, b);
        triples.check(Operation::multiply, a, b);
        triples.check(Operation::divide, a, b);
        triples.check(Operation::square_root, a, b);
      }
    }
  }
}

TEST(Operations, RootOfEveryCodeOfSixteenBits) {
  for (const char* name : {"f16", "bf16", "posit16"}) {
    const ElementFormat f = element(name);
    PairCheck roots(f);
    for (uint32_t a = 0; a < f.code_count() && !HasFatalFailure(); ++a) roots.check(Operation::square_root, a, 0);
  }
}

// Where the exponent is odd, the root of the real number is the middle itself: the double that stands for the number
// decides.
TEST(Operations, RootsOfLogarithmsFallBesideMiddles) {
  Mpfr root(300), middle(300);
  for (const auto& [name, fraction] : {std::pair("lns7.3", 3), std::pair("lns12.5", 5)}) {
    const ElementFormat f = element(name);
    const int half = static_cast<int>(f.code_count() / 2);
    for (int k = 1 - half / 2; k < half / 2; ++k) {
      mpfr_set_d(root, formats::value(f, static_cast<uint32_t>(k & (half - 1))), MPFR_RNDN);
      mpfr_sqrt(root, root, MPFR_RNDN);
      mpfr_set_si_2exp(middle, k, -fraction - 1, MPFR_RNDN);
      mpfr_exp2(middle, middle, MPFR_RNDN);
      const bool up = k % 2 != 0 && mpfr_greater_p(root, middle) != 0;
      const int expected = (k >> 1) + (up ? 1 : 0);  // k >> 1 rounds down
      ASSERT_EQ(apply(Operation::square_root, f, static_cast<uint32_t>(k & (half - 1)), CastPolicy{}),
                static_cast<uint32_t>(expected & (half - 1)))
          << name << " " << k;
    }
  }
}

// ---- f32: the processor's own arithmetic, and MPFR in the other modes --------------------------------------------

TEST(Operations, F32AgainstTheProcessor) {
  const ElementFormat f = element("f32");
  const CastPolicy ieee{Rounding::nearest_even, Saturation::none};
  Rng rng(303);
  const auto draw = [&] {
    const uint32_t bits = rng.next_u32();
    return rng.below(2) == 0 ? bits : (bits & 0x807FFFFF) | ((120 + bits % 16) << 23);
  };
  for (int i = 0; i < 200'000; ++i) {
    const uint32_t a = draw(), b = draw();
    const float x = bits_float(a), y = bits_float(b);
    const uint32_t c = rng.below(2) == 0 ? draw() : float_bits(-(x * y)) + static_cast<uint32_t>(rng.below(3)) - 1;
    const float z = bits_float(c);
    ASSERT_TRUE(same(f.decode(apply(Operation::add, f, a, b, ieee)), x + y));
    ASSERT_TRUE(same(f.decode(apply(Operation::subtract, f, a, b, ieee)), x - y));
    ASSERT_TRUE(same(f.decode(apply(Operation::multiply, f, a, b, ieee)), x * y));
    ASSERT_TRUE(same(f.decode(apply(Operation::divide, f, a, b, ieee)), x / y));
    ASSERT_TRUE(same(f.decode(apply(Operation::square_root, f, a, ieee)), std::sqrt(x)));
    ASSERT_TRUE(same(f.decode(apply(Operation::fma, f, a, b, c, ieee)), std::fma(x, y, z)));
  }
}

TEST(Operations, DirectedF32AgainstMpfr) {
  const ElementFormat f = element("f32");
  Rng rng(304);
  const std::pair<Rounding, mpfr_rnd_t> modes[] = {
      {Rounding::up, MPFR_RNDU}, {Rounding::down, MPFR_RNDD}, {Rounding::to_zero, MPFR_RNDZ}};
  Mpfr out(24), a(24), b(24), c(24);
  for (int i = 0; i < 50'000; ++i) {
    uint32_t code[3];
    for (uint32_t& x : code) x = rng.next_u32() & (rng.below(2) == 0 ? 0xFFFFFFFF : 0x807FFFFF);
    if (rng.below(2) == 0) code[0] = (code[0] & 0x807FFFFF) | 0x3F800000;
    a.set(formats::decode_exact(f, code[0]));
    b.set(formats::decode_exact(f, code[1]));
    c.set(formats::decode_exact(f, code[2]));
    for (const auto& [rounding, mode] : modes) {
      mpfr_set_emin(-148);
      mpfr_set_emax(128);
      int ternary = mpfr_fma(out, a, b, c, mode);
      ternary = mpfr_check_range(out, ternary, mode);
      mpfr_subnormalize(out, ternary, mode);
      mpfr_set_emin(mpfr_get_emin_min());
      mpfr_set_emax(mpfr_get_emax_max());
      const uint32_t got = apply(Operation::fma, f, code[0], code[1], code[2], {rounding, Saturation::none});
      ASSERT_TRUE(same(f.decode(got), mpfr_get_flt(out, MPFR_RNDN)))
          << fmt::format("{:x} {:x} {:x}", code[0], code[1], code[2]);
    }
  }
}

// ---- formats apart -----------------------------------------------------------------------------------------------

TEST(Operations, OperandsAndResultOfDifferentFormats) {
  const ElementFormat e4m3 = element("e4m3fn"), posit = element("posit8"), f16 = element("f16"),
                      e5m2 = element("e5m2");
  const CastPolicy policy{Rounding::nearest_even, Saturation::finite};
  const TableOracle oracle(f16), narrow(e5m2);
  for (uint32_t a = 0; a < 256; ++a) {
    for (uint32_t b = 0; b < 256; ++b) {
      const double x = formats::value(e4m3, a), y = formats::value(posit, b);
      const Operand operands[] = {{e4m3, a}, {posit, b}};
      ASSERT_TRUE(
          oracle.matches(apply(Operation::multiply, operands, f16, policy), oracle.expected({x * y}, policy)));
      const Operand sum[] = {{posit, b}, {e4m3, a}};
      ASSERT_TRUE(narrow.matches(apply(Operation::add, sum, e5m2, policy), narrow.expected({x + y}, policy)));
    }
    ASSERT_TRUE(narrow.matches(convert(e4m3, a, e5m2, policy), narrow.expected({formats::value(e4m3, a)}, policy)));
  }
  for (uint32_t a = 0; a < 65536; ++a) {
    for (const Rounding rounding : kDeterministic) {
      const CastPolicy p{rounding, Saturation::none};
      ASSERT_TRUE(narrow.matches(convert(f16, a, e5m2, p), narrow.expected({formats::value(f16, a)}, p)));
    }
  }
}

TEST(Operations, DivisionByAZeroWithoutSign) {
  const CastPolicy none{Rounding::nearest_even, Saturation::none};
  for (const char* name : {"binary8p4se", "e4m3fnuz", "posit8", "ue5m3", "binary8p1ue"}) {
    const ElementFormat f = element(name);
    const uint32_t one = formats::encode(f, 1.0);
    EXPECT_TRUE(formats::decode_exact(f, apply(Operation::divide, f, one, 0u, none)).is_nan()) << name;
  }
  const ElementFormat e5m2 = element("e5m2");
  EXPECT_EQ(apply(Operation::divide, e5m2, 0x3C, 0x00, none), 0x7Cu);
  EXPECT_EQ(apply(Operation::divide, e5m2, 0x3C, 0x80, none), 0xFCu);
}

TEST(Operations, IntegersWrapAsHardwareDoes) {
  const ElementFormat f = element("int8");
  const CastPolicy wrap{Rounding::to_zero, Saturation::wrap};
  for (uint32_t a = 0; a < 256; ++a) {
    for (uint32_t b = 0; b < 256; ++b) {
      ASSERT_EQ(apply(Operation::add, f, a, b, wrap), (a + b) & 255);
      ASSERT_EQ(apply(Operation::subtract, f, a, b, wrap), (a - b) & 255);
      ASSERT_EQ(apply(Operation::multiply, f, a, b, wrap), (a * b) & 255);
    }
  }
}

// A sum that lies between two neighbours: only they come out, each as often as the distance says.
TEST(Operations, StochasticSumsTakeNeighbours) {
  const ElementFormat f = element("e4m3fn");
  const CastPolicy policy{Rounding::stochastic, Saturation::none, 8};
  const uint32_t a = formats::encode(f, 16.0), b = formats::encode(f, 0.625);  // 16.625 of 16, 18
  int high = 0;
  for (uint32_t r = 0; r < 256; ++r) {
    const double v = formats::value(f, apply(Operation::add, f, a, b, policy, r));
    ASSERT_TRUE(v == 16 || v == 18);
    high += v == 18 ? 1 : 0;
  }
  EXPECT_EQ(high, 80);
}

}  // namespace
}  // namespace lowbit::arith

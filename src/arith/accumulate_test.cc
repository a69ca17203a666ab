#include "arith/accumulate.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <map>
#include <memory>

#include "arith/mpfr_oracle.h"
#include "base/rng.h"

namespace lowbit::arith {
namespace {

using Codes = std::vector<uint32_t>;

// Made once for each format: of 16 bits they are large.
const TableOracle& oracle_of(const ElementFormat& f) {
  static std::map<std::string, std::unique_ptr<TableOracle>> made;
  auto& slot = made[formats::print(f)];
  if (!slot) slot = std::make_unique<TableOracle>(f);
  return *slot;
}

// Sums by MPFR with so many bits that nothing is lost, each partial sum rounded by the table of its format.
class Simulation {
 public:
  Simulation(const ElementFormat& a, const ElementFormat& b, const Accumulation& how)
      : a_(a),
        b_(b),
        how_(how),
        oracle_(oracle_of(how.accumulator)),
        outer_(oracle_of(how.outer.value_or(how.accumulator))),
        product_(oracle_of(how.product.value_or(how.accumulator))) {
    mpfr_set_zero(wide_, 1);
  }

  // The value of the sum; of products where b is not empty.
  double run(const Codes& a, const Codes& b) {
    const auto count = static_cast<int64_t>(a.size());
    if (count == 0) return 0;
    std::vector<double> sums;
    int64_t chunk = how_.order == Order::chunked || how_.order == Order::fused ? how_.chunk : count;
    if (how_.order == Order::pairwise) chunk = 1;
    double carried = 0;
    for (int64_t first = 0; first < count; first += chunk) {
      const int64_t last = std::min(first + chunk, count);
      if (how_.order == Order::fused || how_.order == Order::exact) {
        start(carried, first > 0);
        for (int64_t i = first; i < last; ++i) add_term(a, b, i);
        carried = read(oracle_);
        sums = {carried};
        continue;
      }
      double s = 0;
      for (int64_t i = first; i < last; ++i) {
        start(s, i > first);
        add_term(a, b, i);
        s = read(oracle_);
      }
      sums.push_back(s);
    }
    return how_.order == Order::pairwise ? tree(sums) : chain(sums);
  }

 private:
  void start(double x, bool used) {
    empty_ = !used;
    if (used) mpfr_set_d(wide_, x, MPFR_RNDN);
  }

  void add_term(const Codes& a, const Codes& b, int64_t i) {
    const auto at = static_cast<size_t>(i);
    const Exact x = formats::decode_exact(a_, a[at]);
    term_.set(x);
    if (!b.empty()) {
      factor_.set(formats::decode_exact(b_, b[at]));
      ASSERT_EQ(mpfr_mul(term_, term_, factor_, MPFR_RNDN), 0);
      if (how_.product) mpfr_set_d(term_, product_.expected(truncated(term_, false), how_.policy), MPFR_RNDN);
    }
    if (empty_)
      mpfr_set(wide_, term_, MPFR_RNDN);
    else
      add();
    empty_ = false;
  }

  // Sums of 0 are +0, or -0 for `down`.
  void add() {
    ASSERT_EQ(mpfr_add(wide_, wide_, term_, how_.policy.rounding == Rounding::down ? MPFR_RNDD : MPFR_RNDN), 0);
  }
  double read(const TableOracle& oracle) { return oracle.expected(truncated(wide_, false), how_.policy); }

  double sum_of(const TableOracle& oracle, double x, double y) {
    start(x, true);
    mpfr_set_d(term_, y, MPFR_RNDN);
    add();
    return read(oracle);
  }

  double chain(const std::vector<double>& sums) {
    double total = sums[0];
    if (how_.outer) total = outer_.expected({total}, how_.policy);
    for (size_t i = 1; i < sums.size(); ++i) total = sum_of(outer_, total, sums[i]);
    return total;
  }

  double tree(std::vector<double> sums) {
    while (sums.size() > 1) {
      std::vector<double> next;
      for (size_t i = 0; i + 1 < sums.size(); i += 2) next.push_back(sum_of(oracle_, sums[i], sums[i + 1]));
      if (sums.size() % 2 == 1) next.push_back(sums.back());
      sums = next;
    }
    return sums[0];
  }

  const ElementFormat a_, b_;
  const Accumulation how_;
  const TableOracle &oracle_, &outer_, &product_;
  Mpfr wide_{1500}, term_{1500}, factor_{1500};
  bool empty_ = true;
};

Codes random_codes(Rng& rng, const ElementFormat& f, size_t count) {
  Codes out(count);
  const bool small = rng.below(2) == 0;  // without the extremes, NaN and infinities among them
  for (uint32_t& code : out) {
    do {
      code = static_cast<uint32_t>(rng.below(f.code_count()));
    } while (small && !(std::fabs(formats::value(f, code)) <= 4));
  }
  return out;
}

struct Case {
  const char *a, *b, *accumulator, *outer, *product;
};

TEST(Accumulate, DotProductsAgainstMpfr) {
  const Case cases[] = {{"e4m3fn", "e4m3fn", "f16", "bf16", "f16"},
                        {"e5m2", "e4m3fn", "bf16", "f16", "bf16"},
                        {"posit8", "posit8", "posit8", "posit16", "posit8"},
                        {"int8", "int4", "fix16.2", "bf16", "e6m9"},
                        {"binary8p3se", "binary8p4sf", "binary12p5se", "f16", "e4m3"},
                        {"bf16", "bf16", "bf16", "e8m5", "bf16"},
                        {"e2m1", "nf4", "e4m3fn", "f16", "e5m2"},
                        {"posit16", "f16", "f16", "posit16", "bf16"}};
  Rng rng(404);
  const int rounds = exhaustive() ? 2'000'000 : 12'000;
  int wide = 0;
  for (const Case& c : cases) {
    const ElementFormat a = element(c.a), b = element(c.b);
    for (size_t form = 0; form < 9; ++form) {
      Accumulation how;
      how.accumulator = element(c.accumulator);
      how.policy = {kDeterministic[form], kSaturations[rng.below(3)]};
      how.chunk = 1 + static_cast<int64_t>(rng.below(6));
      if (form % 3 == 1) how.product = element(c.product);
      for (const Order order : {Order::sequential, Order::pairwise, Order::chunked, Order::fused, Order::exact}) {
        how.order = order;
        how.outer = order == Order::chunked && form % 2 == 0 ? std::optional(element(c.outer)) : std::nullopt;
        const auto accumulator = Accumulator::make(a, b, how);
        ASSERT_TRUE(accumulator.ok()) << accumulator.message();
        Simulation simulation(a, b, how);
        const TableOracle& result = oracle_of(accumulator->result());
        for (int i = 0; i < rounds / 360; ++i) {
          const size_t count = rng.below(24);
          const Codes x = random_codes(rng, a, count), y = random_codes(rng, b, count);
          const bool sum = rng.below(4) == 0;
          const uint32_t got = sum ? accumulator->sum(x) : accumulator->dot(x, y);
          const double expected = simulation.run(x, sum ? Codes{} : y);
          ASSERT_TRUE(result.matches(got, expected))
              << fmt::format("{} {} {} order {} mode {} terms {} sum {}: {} expected {}", c.a, c.b, c.accumulator,
                             static_cast<int>(order), formats::print_rounding(how.policy), count, sum,
                             formats::value(accumulator->result(), got), expected);
          wide += static_cast<int>(count);
        }
      }
    }
  }
  EXPECT_GT(wide, 100'000);
}

// f32 as the accumulator of short products: the processor's own chain.
TEST(Accumulate, F32ChainIsThatOfTheProcessor) {
  const ElementFormat a = element("bf16"), f32 = element("f32");
  Accumulation how;
  how.accumulator = f32;
  how.policy = {Rounding::nearest_even, Saturation::none};
  const Accumulator fused_chain = Accumulator::make(a, a, how).value();
  how.order = Order::pairwise;
  const Accumulator tree = Accumulator::make(a, a, how).value();
  Rng rng(405);
  for (int i = 0; i < 2000; ++i) {
    const Codes x = random_codes(rng, a, 8), y = random_codes(rng, a, 8);
    float s = a.decode(x[0]) * a.decode(y[0]);
    std::array<float, 8> leaf{};
    for (size_t k = 0; k < 8; ++k) {
      leaf[k] = a.decode(x[k]) * a.decode(y[k]);
      if (k > 0) s = std::fma(a.decode(x[k]), a.decode(y[k]), s);
    }
    const float t = ((leaf[0] + leaf[1]) + (leaf[2] + leaf[3])) + ((leaf[4] + leaf[5]) + (leaf[6] + leaf[7]));
    ASSERT_TRUE(same(f32.decode(fused_chain.dot(x, y)), s));
    ASSERT_TRUE(same(f32.decode(tree.dot(x, y)), t));
  }
}

TEST(Accumulate, ExactSumsForgetNothing) {
  const ElementFormat bf16 = element("bf16");
  Accumulation how;
  how.accumulator = bf16;
  how.order = Order::exact;
  const Accumulator exact = Accumulator::make(bf16, bf16, how).value();
  // largest^2 + least^2 - largest^2.
  const uint32_t big = bf16.max_code(), least = 1, one = formats::encode(bf16, 1.0);
  EXPECT_EQ(exact.dot(Codes{big, least, big | 0x8000}, Codes{big, one, big}), least);
  how.order = Order::sequential;
  EXPECT_EQ(Accumulator::make(bf16, bf16, how)->sum(Codes{big, least, big | 0x8000}), 0u);
  // A million terms: the carries have room.
  const Codes many(1'000'000, big);
  how.order = Order::exact;
  how.accumulator = element("f32");
  how.policy.saturation = Saturation::none;
  const Accumulator wide = Accumulator::make(bf16, bf16, how).value();
  Codes minus = many;
  for (uint32_t& code : minus) code |= 0x8000;
  Codes both = many;
  both.insert(both.end(), minus.begin(), minus.end());
  both.push_back(least);
  EXPECT_EQ(how.accumulator.decode(wide.sum(both)), bf16.decode(least));
}

TEST(Accumulate, ZerosAndSpecialNumbers) {
  const ElementFormat f = element("e5m2");
  Accumulation how;
  how.accumulator = f;
  for (const Order order : {Order::sequential, Order::pairwise, Order::chunked, Order::fused, Order::exact}) {
    how.order = order;
    how.chunk = 2;
    how.policy = {Rounding::nearest_even, Saturation::none};
    const Accumulator sum = Accumulator::make(f, f, how).value();
    EXPECT_EQ(sum.sum(Codes{}), 0u);
    EXPECT_EQ(sum.sum(Codes{0x80, 0x80, 0x80}), 0x80u);
    EXPECT_EQ(sum.sum(Codes{0x80, 0x00, 0x80}), 0u);
    EXPECT_EQ(sum.sum(Codes{0x3C, 0xBC, 0x80}), 0u);
    EXPECT_EQ(sum.sum(Codes{0x7C, 0x3C, 0x3C}), 0x7Cu);
    EXPECT_TRUE(std::isnan(f.decode(sum.sum(Codes{0x7C, 0x3C, 0xFC}))));
    EXPECT_TRUE(std::isnan(f.decode(sum.dot(Codes{0x7C, 0x3C}, Codes{0x00, 0x3C}))));
    how.policy.rounding = Rounding::down;
    EXPECT_EQ(Accumulator::make(f, f, how)->sum(Codes{0x3C, 0xBC}), 0x80u);
  }
}

TEST(Accumulate, MultipliersReplaceTheProduct) {
  const ElementFormat f = element("e4m3fn");
  Accumulation how;
  how.accumulator = element("f32");
  how.multiplier = find_multiplier("lmul-adder", f).value();
  const uint32_t a = formats::encode(f, 1.5), b = formats::encode(f, 1.625);
  for (const Order order : {Order::sequential, Order::exact}) {
    how.order = order;
    const Accumulator lmul = Accumulator::make(f, f, how).value();
    EXPECT_EQ(how.accumulator.decode(lmul.dot(Codes{a, a}, Codes{b, b})), 5.0f);
  }
}

TEST(Accumulate, StochasticSumsDependOnSeedAndStreamAlone) {
  const ElementFormat f = element("e4m3fn");
  Accumulation how;
  how.accumulator = f;
  how.policy = {Rounding::stochastic, Saturation::finite};
  how.seed = 7;
  const Accumulator sum = Accumulator::make(f, f, how).value();
  const Codes ones(200, formats::encode(f, 1.0));  // nearest stays at 16
  EXPECT_EQ(sum.sum(ones, 3), sum.sum(ones, 3));
  double mean = 0;
  for (uint64_t stream = 0; stream < 400; ++stream) mean += formats::value(f, sum.sum(ones, stream)) / 400;
  EXPECT_NEAR(mean, 200, 8);
  how.policy.rounding = Rounding::nearest_even;
  EXPECT_EQ(formats::value(f, Accumulator::make(f, f, how)->sum(ones)), 16);
}

TEST(Accumulate, ErrorsSayWhatCannotBe) {
  Accumulation how;
  how.accumulator = element("f32");
  how.order = Order::exact;
  const ElementFormat wide = element("e9m6"), e4m3 = element("e4m3fn");
  EXPECT_EQ(Accumulator::make(wide, wide, how).message(),
            "e9m6 x e9m6: an exact sum takes 1097 bits, expected at most 1024");
  for (const char* name : {"bf16", "posit16", "f32", "e8m0", "binary8p1ue"}) {
    EXPECT_TRUE(Accumulator::make(element(name), element(name), how).ok()) << name;
  }
  how.order = Order::fused;
  EXPECT_EQ(Accumulator::make(e4m3, e4m3, how).message(),
            "accumulation: found chunks of 0 terms, expected at least 1");
  how.chunk = 4;
  how.outer = e4m3;
  EXPECT_FALSE(Accumulator::make(e4m3, e4m3, how).ok());
  how.outer.reset();
  how.multiplier = find_multiplier("lmul", e4m3).value();
  EXPECT_EQ(Accumulator::make(element("int8"), element("int8"), how).message(),
            "multiplier lmul: found the format int8, expected a float with at least one mantissa bit");
  EXPECT_FALSE(Accumulator::make(e4m3, element("e5m2"), how).ok());
}

}  // namespace
}  // namespace lowbit::arith

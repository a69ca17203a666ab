// encode() against the nearest entry of the decode table (every element of at most 8 bits) and on every code, under
// every rounding and saturation.
#include <gtest/gtest.h>

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstdlib>

#include "base/rng.h"
#include "formats/codebook.h"
#include "formats/encode_oracle.h"
#include "formats/sample.h"

namespace lowbit::formats {
namespace {

// ---- every element of at most 8 bits against its decode table --------------------------------------------------

// One finite value and the code that stands for it; for floats of one sign the magnitude alone.
struct Entry {
  double value;
  uint32_t code;
};

// Codes with a value that encoding never gives, as the most negative one of symmetric integers.
bool is_unused(const ElementFormat& f, uint32_t code) {
  if (f.kind != ElementKind::codebook) return false;
  const std::vector<uint32_t>& unused = f.codebook->unused;
  return std::find(unused.begin(), unused.end(), code) != unused.end();
}

// Ascending values; doubled values keep their lowest code. Sign-magnitude elements give their non-negative half.
std::vector<Entry> entries_of(const ElementFormat& f, bool half) {
  std::vector<Entry> out;
  const std::span<const float> table = decode_table(f);
  const uint32_t count = f.kind == ElementKind::codebook ? static_cast<uint32_t>(f.codebook->values.size())
                                                         : static_cast<uint32_t>(table.size());
  for (uint32_t code = 0; code < count; ++code) {
    if (is_unused(f, code)) continue;
    if (std::isfinite(table[code]) && !(half && std::signbit(table[code]))) out.push_back({table[code], code});
  }
  std::sort(out.begin(), out.end(),
            [](const Entry& a, const Entry& b) { return a.value != b.value ? a.value < b.value : a.code < b.code; });
  out.erase(std::unique(out.begin(), out.end(), [](const Entry& a, const Entry& b) { return a.value == b.value; }),
            out.end());
  return out;
}

// Which of two neighbours; all distances are compared as 2x against low + high, exact for neighbours in a table.
bool upper_wins(const Entry& low, const Entry& high, double x, Rounding rounding, bool is_float) {
  const long double middle = (static_cast<long double>(low.value) + high.value) / 2;
  const bool negative = std::signbit(x);
  // Between zero and the first number of floats without subnormal ones.
  const bool gap = is_float && low.value == 0 && low.code == 0 && high.code > 1;
  const bool parity_differs = ((low.code ^ high.code) & 1) != 0;
  const bool first = high.code < low.code;
  const bool upper_even = parity_differs ? (high.code & 1) == 0 : first;
  const bool upper_odd = gap || (parity_differs ? (high.code & 1) == 1 : first);
  const bool larger =
      std::fabs(high.value) == std::fabs(low.value) ? !negative : std::fabs(high.value) > std::fabs(low.value);
  if (rounding == Rounding::up) return true;
  if (rounding == Rounding::down) return false;
  if (rounding == Rounding::to_zero) return negative ? high.value <= 0 : low.value < 0;
  if (rounding == Rounding::away) return !negative;
  if (rounding == Rounding::to_odd) return upper_odd;
  if (x != middle) return x > middle;
  if (rounding == Rounding::nearest_even) return upper_even;
  if (rounding == Rounding::nearest_odd) return upper_odd;
  return rounding == Rounding::nearest_away ? larger : !larger;
}

double nearest_entry(const std::vector<Entry>& entries, double x, Rounding rounding, bool is_float) {
  for (size_t i = 0; i < entries.size(); ++i) {
    if (entries[i].value == x) return x;
    if (i + 1 < entries.size() && entries[i].value < x && x < entries[i + 1].value) {
      return upper_wins(entries[i], entries[i + 1], x, rounding, is_float) ? entries[i + 1].value : entries[i].value;
    }
  }
  ADD_FAILURE() << "outside of the table: " << x;
  return 0;
}

// The step beyond the largest value of a float that a wider exponent would have had.
Entry beyond_largest(const ElementFormat& f, const Entry& largest) {
  const bool gradual = f.has_zero && f.subnormals == Subnormals::gradual;
  const int exponent = std::max(std::ilogb(largest.value), gradual ? 1 - f.bias : -10000);
  return {largest.value + std::ldexp(1.0, exponent - f.mantissa_bits), largest.code + 1};
}

double expected_float(const ElementFormat& f, std::vector<Entry> entries, double x, const CastPolicy& policy) {
  if (std::isinf(x)) return saturate(f, x, true, policy);
  const double a = std::fabs(x);
  entries.push_back(beyond_largest(f, entries.back()));
  double r = entries.back().value;
  if (a < r) {
    // Directions belong to the sign of x, the table to its magnitude.
    Rounding rounding = policy.rounding;
    if (x < 0 && (rounding == Rounding::up || rounding == Rounding::down)) {
      rounding = rounding == Rounding::up ? Rounding::down : Rounding::up;
    }
    r = nearest_entry(entries, a, rounding, true);
  }
  if (r == 0) return f.is_signed && f.nan != NanKind::negative_zero && std::signbit(x) ? -0.0 : 0.0;
  return saturate(f, std::signbit(x) ? -r : r, false, policy);
}

double expected_value(const ElementFormat& f, const std::vector<Entry>& entries, double x, const CastPolicy& policy) {
  if (f.kind == ElementKind::floating) return expected_float(f, entries, x, policy);
  if (x <= entries.front().value) return entries.front().value;
  if (x >= entries.back().value) return entries.back().value;
  return nearest_entry(entries, x, policy.rounding, false);
}

// All values, middles, and both double neighbours of each; the ends and what lies beyond.
std::vector<double> dense_inputs(const ElementFormat& f, const std::vector<Entry>& entries) {
  std::vector<double> points = {0.0, -0.0, DBL_MIN, 0x1p-1074, DBL_MAX, HUGE_VAL, 1e-45, 1e-30, 0x1p-150, 1e39};
  const auto add = [&](double x) {
    points.insert(points.end(), {x, std::nextafter(x, HUGE_VAL), std::nextafter(x, -HUGE_VAL)});
  };
  for (size_t i = 0; i < entries.size(); ++i) {
    add(entries[i].value);
    if (i + 1 < entries.size()) {
      add(entries[i].value + (entries[i + 1].value - entries[i].value) * 0.5);
      add(entries[i].value + (entries[i + 1].value - entries[i].value) * 0.3);
    }
  }
  const Entry& last = entries.back();
  const double step = f.kind == ElementKind::floating ? beyond_largest(f, last).value - last.value : 1;
  for (const double part : {0.25, 0.5, 0.75, 1.0, 1.5, 4.0}) add(last.value + step * part);
  add(entries.front().value * 0.5);
  add(entries.front().value - step);
  const size_t count = points.size();
  for (size_t i = 0; i < count; ++i) points.push_back(-points[i]);
  return points;
}

void check_against_table(const ElementFormat& f) {
  SCOPED_TRACE(print(f));
  const std::vector<Entry> entries = entries_of(f, f.kind == ElementKind::floating);
  static const bool exhaustive = std::getenv("LOWBIT_EXHAUSTIVE") != nullptr;
  size_t number = 0;
  for (const double x : dense_inputs(f, entries)) {
    ++number;
    for (const Rounding rounding : kDeterministic) {
      // One saturation after the other, unless all are wanted.
      for (const Saturation saturation : kSaturations) {
        const size_t turn = number + static_cast<size_t>(rounding) + static_cast<size_t>(saturation);
        if (!exhaustive && turn % std::size(kSaturations) != 0) continue;
        const CastPolicy policy{rounding, saturation};
        const uint32_t code = encode(f, x, policy);
        ASSERT_LT(code, f.code_count());
        const double got = f.decode(code), expected = expected_value(f, entries, x, policy);
        ASSERT_TRUE(same(got, expected) || (f.kind != ElementKind::floating && got == expected))
            << fmt::format("x {:a} rounding {} saturation {}: {} expected {}", x, static_cast<int>(rounding),
                           static_cast<int>(saturation), got, expected);
      }
    }
  }
}

// Every element of at most 8 bits that the language can write with a standard bias, and random ones.
std::vector<ElementFormat> small_elements() {
  std::vector<ElementFormat> out;
  const auto add = [&](const std::string& text) {
    const auto parsed = parse_element(text);
    if (parsed.ok() && parsed->bits <= 8 && exact_in_float(*parsed) &&
        std::find(out.begin(), out.end(), *parsed) == out.end())
      out.push_back(*parsed);
  };
  for (const ElementRow& row : named_elements()) add(std::string(row.name));
  for (int a = 1; a <= 8; ++a) {
    add(fmt::format("int{}", a));
    add(fmt::format("uint{}", a));
    for (int b = 0; b <= 8; ++b) {
      for (const char* suffix : {"ieee", "fn", "fnuz", "finite", "nuz", "n", "inf", "fnftz", "ieeenosub"}) {
        add(fmt::format("e{}m{}{}", a, b, suffix));
      }
      for (const char* suffix : {"", "ieee", "n", "finite", "ftz"}) add(fmt::format("ue{}m{}{}", a, b, suffix));
      if (a > 1) add(fmt::format("fix{}.{}sm", a, b));
      if (a > 1) add(fmt::format("int{}sym", a));
      add(fmt::format("fix{}.{}", a, b));
      add(fmt::format("ufix{}.{}", a, b));
    }
  }
  Rng rng(29);
  for (int i = 0; i < 300; ++i) add(print(sample_element(rng)));
  return out;
}

// Does nearest change elsewhere than halfway (posits, takums, logarithmic numbers)? Such have tests of their own.
bool has_own_rule(const ElementFormat& f) {
  if (f.kind != ElementKind::codebook) return false;
  const CodebookIndex& index = f.codebook->index;
  for (size_t i = 0; i < index.middles.size(); ++i) {
    Exact twice = index.middles[i];
    if (!twice.is_zero()) ++twice.exponent;
    if (compare(twice, add(Exact::of(index.values[i]), Exact::of(index.values[i + 1]))) != 0) return true;
  }
  return false;
}

// Without a zero there is a lower end too: its rules have a test of their own.
bool has_lower_end(const ElementFormat& f) { return f.kind == ElementKind::floating && !f.has_zero; }

TEST(Encode, SmallElementsAgainstTheirTables) {
  const std::vector<ElementFormat> elements = small_elements();
  EXPECT_GT(elements.size(), 300u);
  for (const ElementFormat& f : elements) {
    if (!has_lower_end(f) && !has_own_rule(f)) check_against_table(f);
  }
}

TEST(Encode, PowersOfTwoWithoutZero) {
  for (const ElementFormat& f : small_elements()) {
    if (!has_lower_end(f)) continue;
    SCOPED_TRACE(print(f));
    const std::vector<Entry> entries = entries_of(f, true);
    const double least = entries.front().value;
    for (const double x : dense_inputs(f, entries)) {
      if (std::signbit(x) || x < least) continue;
      for (const Rounding rounding : kDeterministic) {
        const CastPolicy policy{rounding, Saturation::none};
        ASSERT_TRUE(same(value(f, encode(f, x, policy)), expected_float(f, entries, x, policy))) << x;
      }
    }
    for (const double x : {0.0, -0.0, least / 4, -least, -HUGE_VAL, -1.0}) {
      EXPECT_EQ(encode(f, x), 0u);
      EXPECT_EQ(encode(f, x, {Rounding::nearest_even, Saturation::propagate}), 0u);
      const uint32_t strict = encode(f, x, {Rounding::nearest_even, Saturation::none});
      const bool has_nan = std::isnan(f.decode(encode(f, std::nan(""))));
      EXPECT_TRUE(has_nan ? std::isnan(f.decode(strict)) : strict == 0);
    }
    EXPECT_EQ(encode(f, least / 4, {Rounding::up, Saturation::none}), 0u);
    EXPECT_EQ(encode(f, -1.0, {Rounding::up, Saturation::none}), 0u);
  }
}

TEST(Encode, EveryCodeIsAFixedPoint) {
  std::vector<ElementFormat> elements = small_elements();
  for (int x = 1; x <= 8; ++x) {
    for (int m = 0; x + m <= 15; ++m) {
      for (const char* suffix : {"ieee", "fn", "fnuz", "finite"}) {
        const auto parsed = parse_element(fmt::format("e{}m{}{}", x, m, suffix));
        if (parsed.ok() && parsed->bits > 8) elements.push_back(*parsed);
      }
    }
  }
  for (const char* name : {"ue5m11", "ue4m8", "fix16.8", "fix12.0", "ufix16.16", "ufix9.32", "fix16.32"}) {
    elements.push_back(element(name));
  }
  for (const ElementFormat& f : elements) {
    SCOPED_TRACE(print(f));
    uint32_t wrong = 0;
    for (uint32_t code = 0; code < f.code_count(); ++code) {
      const Exact x = decode_exact(f, code);
      if (is_unused(f, code)) continue;
      // Several codes may mean one number; floats say which of them is made.
      const bool unique = f.kind != ElementKind::codebook && f.subnormals != Subnormals::zero && !x.is_nan();
      // Wide elements take one rounding per code in turn, small ones all.
      for (size_t r = 0; r < std::size(kRoundings); ++r) {
        if (f.bits > 8 && r != code % std::size(kRoundings)) continue;
        if (kRoundings[r] == Rounding::jam) continue;  // moves even codes
        const uint32_t again = encode(f, x, {kRoundings[r], Saturation::none}, 0xFFFFFFFF);
        const Exact y = decode_exact(f, again);
        wrong += unique       ? again != code
                 : x.is_nan() ? !y.is_nan() && f.kind != ElementKind::codebook
                              : compare(x, y) != 0;
      }
    }
    EXPECT_EQ(wrong, 0u);
  }
}

// ---- codebooks made at run time ----------------------------------------------------------------------------------

ElementFormat book(const std::vector<float>& values) {
  uint8_t bits = 1;
  while ((size_t{1} << bits) < values.size()) ++bits;
  return make_codebook("made", bits, std::vector<double>(values.begin(), values.end()));
}

TEST(Encode, RandomCodebooks) {
  Rng rng(31);
  for (int i = 0; i < 300; ++i) {
    std::vector<float> values(1 + rng.below(i % 10 == 0 ? 256 : 20));
    for (float& v : values)
      v = rng.below(8) == 0 ? static_cast<float>(rng.below(5)) - 2 : static_cast<float>(rng.normal());
    const ElementFormat f = book(values);
    check_against_table(f);
    const uint32_t nan = encode(f, std::nan(""));
    for (const float v : values) EXPECT_LE(std::fabs(f.decode(nan)), std::fabs(v));
  }
}

TEST(Encode, CodebookTiesGoToTheEvenIndex) {
  const ElementFormat ascending = book({0, 1, 2, 3});
  EXPECT_EQ(encode(ascending, 0.5), 0u);
  EXPECT_EQ(encode(ascending, 1.5), 2u);
  EXPECT_EQ(encode(ascending, 2.5), 2u);
  EXPECT_EQ(encode(ascending, 1.5, {Rounding::nearest_odd, {}}), 1u);
  const ElementFormat shuffled = book({3, 0, 2, 1});
  EXPECT_EQ(encode(shuffled, 0.5), 1u);  // both indices odd: the lower one
  EXPECT_EQ(encode(shuffled, 1.5), 2u);
  EXPECT_EQ(encode(shuffled, 2.5), 0u);
  // A middle that is no double: 1 + 2^-70 lies above what the sum rounds to.
  const ElementFormat wide = book({0x1p-69f, 2});
  EXPECT_EQ(encode(wide, 1.0, {Rounding::nearest_away, {}}), 0u);
  EXPECT_EQ(encode(wide, std::nextafter(1.0, 2.0), {Rounding::nearest_zero, {}}), 1u);
  const ElementFormat below = book({-0x1p-69f, 2});
  EXPECT_EQ(encode(below, 1.0, {Rounding::nearest_zero, {}}), 1u);
}

// ---- stochastic --------------------------------------------------------------------------------------------------

TEST(Encode, StochasticThresholdIsExact) {
  const CastPolicy policy{Rounding::stochastic, Saturation::finite};
  for (const char* name : {"e4m3fn", "int8", "fix8.2", "iq4nl", "bf16"}) {
    SCOPED_TRACE(name);
    const ElementFormat f = element(name);
    const double low = f.decode(encode(f, 5.0, {Rounding::down, Saturation::finite}));
    const double high = f.decode(encode(f, std::nextafter(low, 1e9), {Rounding::up, Saturation::finite}));
    const double x = low + (high - low) * 0.25;
    for (const double sign : {1.0, -1.0}) {
      if (sign < 0 && f.kind == ElementKind::codebook) continue;  // not symmetric
      EXPECT_EQ(f.decode(encode(f, sign * x, policy, 0)), sign * low);
      EXPECT_EQ(f.decode(encode(f, sign * x, policy, 0xBFFFFFFF)), sign * low);
      EXPECT_EQ(f.decode(encode(f, sign * x, policy, 0xC0000000)), sign * high);
      EXPECT_EQ(f.decode(encode(f, sign * x, policy, 0xFFFFFFFF)), sign * high);
    }
  }
}

// The mean over evenly spread random bits is the number itself, to the resolution of the bits.
TEST(Encode, StochasticMeanIsTheNumber) {
  Rng rng(37);
  for (const ElementFormat& f : small_elements()) {
    SCOPED_TRACE(print(f));
    const std::vector<Entry> entries = entries_of(f, f.kind == ElementKind::floating);
    if (entries.size() < 2) continue;
    for (int i = 0; i < 4; ++i) {
      const size_t at = rng.below(entries.size() - 1);
      const double step = entries[at + 1].value - entries[at].value;
      const double sign = f.kind == ElementKind::floating && f.is_signed && i % 2 == 1 ? -1 : 1;
      const double x = sign * (entries[at].value + step * rng.uniform());
      double sum = 0;
      for (uint32_t r = 0; r < 256; ++r) {
        sum += f.decode(encode(f, x, {Rounding::stochastic, Saturation::finite}, (r << 24) + 0x800000));
      }
      EXPECT_NEAR(sum / 256, x, step / 256) << x;
    }
  }
}

TEST(Encode, NanWithoutACodeBecomesZero) {
  for (const char* name : {"int4", "uint8", "fix8.4", "ternary", "nf4", "e2m1", "e3m0"}) {
    const ElementFormat f = element(name);
    EXPECT_EQ(f.decode(encode(f, std::nan(""))), 0.0f) << name;
  }
  EXPECT_EQ(element("iq4nl").decode(encode(element("iq4nl"), std::nan(""))), 1.0f);
}

}  // namespace
}  // namespace lowbit::formats

// Values of codes: published facts, every code of every float against its fields, tables and integer forms.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <thread>

#include "base/bits.h"
#include "base/rng.h"
#include "formats/codebook.h"
#include "formats/format.h"
#include "formats/sample.h"

namespace lowbit::formats {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

ElementFormat element(std::string_view text) {
  auto parsed = parse_element(text);
  EXPECT_TRUE(parsed.ok()) << parsed.message();
  return std::move(parsed).value();
}

bool same(float a, float b) { return (std::isnan(a) && std::isnan(b)) || float_bits(a) == float_bits(b); }

constexpr int kNone = -1;

// Published properties (OCP OFP8 1.0 and MX 1.0, IEEE 754, LLVM APFloat semantics).
struct Facts {
  const char* name;
  int bits, bias;
  double max;
  int max_code;
  double least_normal, least_subnormal;
  int infinity_code;
  std::vector<uint32_t> nan_codes;  // empty: see nan_count
  int nan_count;
  bool negative_zero;
  double tie;          // halfway between the largest value and where the next one would be
  bool tie_overflows;  // under nearest_even
};

const Facts kFacts[] = {
    {"e4m3fn", 8, 7, 448, 0x7E, 0x1p-6, 0x1p-9, kNone, {0x7F, 0xFF}, 2, true, 464, false},
    {"e4m3", 8, 7, 240, 0x77, 0x1p-6, 0x1p-9, 0x78, {}, 14, true, 248, true},
    {"e5m2", 8, 15, 57344, 0x7B, 0x1p-14, 0x1p-16, 0x7C, {0x7D, 0x7E, 0x7F, 0xFD, 0xFE, 0xFF}, 6, true, 61440, true},
    {"e4m3fnuz", 8, 8, 240, 0x7F, 0x1p-7, 0x1p-10, kNone, {0x80}, 1, false, 248, true},
    {"e5m2fnuz", 8, 16, 57344, 0x7F, 0x1p-15, 0x1p-17, kNone, {0x80}, 1, false, 61440, true},
    {"e4m3b11fnuz", 8, 11, 30, 0x7F, 0x1p-10, 0x1p-13, kNone, {0x80}, 1, false, 31, true},
    {"e3m4", 8, 3, 15.5, 0x6F, 0x1p-2, 0x1p-6, 0x70, {}, 30, true, 15.75, true},
    {"e3m4fn", 8, 3, 30, 0x7E, 0x1p-2, 0x1p-6, kNone, {0x7F, 0xFF}, 2, true, 30.5, false},
    {"e2m1", 4, 1, 6, 7, 1, 0.5, kNone, {}, 0, true, 7, false},
    {"e2m3", 6, 1, 7.5, 31, 1, 0x1p-3, kNone, {}, 0, true, 7.75, false},
    {"e3m2", 6, 3, 28, 31, 0x1p-2, 0x1p-4, kNone, {}, 0, true, 30, false},
    {"e2m2", 5, 1, 7, 15, 1, 0x1p-2, kNone, {}, 0, true, 7.5, false},
    {"ue4m3", 7, 7, 448, 0x7E, 0x1p-6, 0x1p-9, kNone, {0x7F}, 1, false, 464, false},
    {"ue5m3", 8, 15, 114688, 0xFE, 0x1p-14, 0x1p-17, kNone, {0xFF}, 1, false, 118784, false},
    {"e8m0", 8, 127, 0x1p127, 0xFE, 0x1p-127, 0x1p-127, kNone, {0xFF}, 1, false, 0x1.8p127, false},  // ties by the
                                                                                                     // parity of the
                                                                                                     // code
    {"f16", 16, 15, 65504, 0x7BFF, 0x1p-14, 0x1p-24, 0x7C00, {}, 2046, true, 65520, true},
    {"bf16", 16, 127, 0x1.FEp127, 0x7F7F, 0x1p-126, 0x1p-133, 0x7F80, {}, 254, true, 0x1.FFp127, true},
};

TEST(Element, PublishedFacts) {
  for (const Facts& row : kFacts) {
    SCOPED_TRACE(row.name);
    const ElementFormat f = element(row.name);
    EXPECT_EQ(f.bits, row.bits);
    EXPECT_EQ(f.bias, row.bias);
    EXPECT_EQ(f.max_value(), row.max);
    EXPECT_EQ(f.decode(static_cast<uint32_t>(row.max_code)), row.max);
    EXPECT_EQ(f.max_exponent(), std::ilogb(row.max));
    std::set<uint32_t> nans;
    double least_positive = kInf;
    bool found_negative_zero = false, found_normal = false;
    for (uint32_t code = 0; code < f.code_count(); ++code) {
      const float v = f.decode(code);
      if (std::isnan(v)) nans.insert(code);
      if (v > 0 && v < least_positive) least_positive = v;
      if (v == 0 && std::signbit(v)) found_negative_zero = true;
      if (v == row.least_normal) found_normal = true;
      if (v == kInf) {
        EXPECT_EQ(static_cast<int>(code), row.infinity_code);
      }
    }
    EXPECT_EQ(static_cast<int>(nans.size()), row.nan_count);
    if (!row.nan_codes.empty()) {
      EXPECT_EQ(nans, std::set<uint32_t>(row.nan_codes.begin(), row.nan_codes.end()));
    }
    EXPECT_EQ(least_positive, row.least_subnormal);
    EXPECT_TRUE(found_normal);
    EXPECT_EQ(found_negative_zero, row.negative_zero);
    if (row.infinity_code != kNone) {
      EXPECT_EQ(f.decode(static_cast<uint32_t>(row.infinity_code)), kInf);
    }
  }
}

TEST(Element, PublishedOverflow) {
  for (const Facts& row : kFacts) {
    SCOPED_TRACE(row.name);
    const ElementFormat f = element(row.name);
    const uint32_t most = static_cast<uint32_t>(row.max_code);
    const CastPolicy none{Rounding::nearest_even, Saturation::none};
    // What lies beyond: infinity, else NaN, else the largest value.
    uint32_t beyond = most;
    if (row.infinity_code != kNone) {
      beyond = static_cast<uint32_t>(row.infinity_code);
    } else if (row.nan_count > 0) {
      beyond = encode(f, std::nan(""));
    }
    EXPECT_EQ(encode(f, row.tie, none), row.tie_overflows ? beyond : most);
    EXPECT_EQ(encode(f, std::nextafter(row.tie, 0), none), most);
    EXPECT_EQ(encode(f, std::nextafter(row.tie, HUGE_VAL), none), beyond);
    EXPECT_EQ(encode(f, 1e300, none), beyond);
    EXPECT_EQ(encode(f, HUGE_VAL, none), beyond);
    for (const Saturation clamp : {Saturation::finite, Saturation::propagate}) {
      EXPECT_EQ(encode(f, row.tie, {Rounding::nearest_even, clamp}), most);
      EXPECT_EQ(encode(f, 1e300, {Rounding::away, clamp}), most);
    }
    EXPECT_EQ(encode(f, HUGE_VAL, {}), most);
    EXPECT_EQ(encode(f, HUGE_VAL, {Rounding::nearest_even, Saturation::propagate}),
              row.infinity_code != kNone ? beyond : most);
    if (row.nan_count > 0) {
      EXPECT_TRUE(std::isnan(f.decode(encode(f, std::nan("")))));
    } else {
      EXPECT_EQ(encode(f, std::nan("")), 0u);
    }
  }
}

TEST(Element, PublishedValueLists) {
  const std::pair<const char*, std::vector<float>> rows[] = {
      {"e2m1", {0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0f, -0.5, -1, -1.5, -2, -3, -4, -6}},
      {"int1", {0, -1}},
      {"uint1", {0, 1}},
      {"int2", {0, 1, -2, -1}},
      {"uint2", {0, 1, 2, 3}},
      {"int3", {0, 1, 2, 3, -4, -3, -2, -1}},
      {"ternary", {-1, 0, 1, 0}},
      {"binary", {-1, 1}},
      {"fix3.1", {0, 0.5, 1, 1.5, -2, -1.5, -1, -0.5}},
      {"ufix2.3", {0, 0.125, 0.25, 0.375}},
      {"e3m0finite", {0, 0.25, 0.5, 1, 2, 4, 8, 16, -0.0f, -0.25, -0.5, -1, -2, -4, -8, -16}},
      {"e1m1", {0, 0.5f * 2, kInf, NAN, -0.0f, -0.5f * 2, -kInf, NAN}},
      {"ue2m1", {0, 0.5, 1, 1.5, 2, 3, 4, NAN}},
      {"e1m2finite", {0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, -0.0f, -0.5, -1, -1.5, -2, -2.5, -3, -3.5}},
  };
  for (const auto& [name, values] : rows) {
    SCOPED_TRACE(name);
    const std::span<const float> table = decode_table(element(name));
    ASSERT_EQ(table.size(), values.size());
    for (size_t i = 0; i < values.size(); ++i) EXPECT_TRUE(same(table[i], values[i])) << i << ": " << table[i];
  }
  EXPECT_EQ(element("fix8.6").max_value(), 127.0f / 64);
  EXPECT_EQ(element("fix8.6").min_value(), -2.0f);
  EXPECT_EQ(element("int8").min_value(), -128.0f);
  EXPECT_EQ(element("uint8").max_exponent(), 7);
  EXPECT_EQ(element("e4m3fn").min_value(), -448.0f);
  EXPECT_EQ(element("ue5m3").min_value(), 0.0f);
  EXPECT_EQ(element("e8m0").min_value(), 0x1p-127f);
}

// QLoRA, section 3: quantiles of the normal distribution, by bisection on erfc.
double normal_quantile(double p) {
  double low = -10, high = 10;
  for (int i = 0; i < 200; ++i) {
    const double middle = 0.5 * (low + high);
    (0.5 * std::erfc(-middle / std::sqrt(2.0)) < p ? low : high) = middle;
  }
  return low;
}

// bitsandbytes' create_dynamic_map(True, 7, 8), computed by torch 2.15: some of its 256 floats, ascending.
TEST(Element, Dynamic8IsThatOfBitsandbytes) {
  const ElementFormat f = element("dynamic8");
  const std::span<const float> values = decode_table(f);
  EXPECT_TRUE(std::is_sorted(values.begin(), values.end()));
  const std::pair<int, float> rows[] = {{0, -0x1.fc66660000000p-1f},
                                        {1, -0x1.f533340000000p-1f},
                                        {17, -0x1.8200000000000p-1f},
                                        {40, -0x1.b8cccc0000000p-2f},
                                        {63, -0x1.b666680000000p-4f},
                                        {64, -0x1.93d70a0000000p-4f},
                                        {96, -0x1.3e76c80000000p-7f},
                                        {100, -0x1.e978d40000000p-8f},
                                        {120, -0x1.743e960000000p-14f},
                                        {126, -0x1.27476e0000000p-21f},
                                        {127, 0x0.0p+0f},
                                        {128, 0x1.27476e0000000p-21f},
                                        {140, 0x1.78d5000000000p-11f},
                                        {160, 0x1.d1eb860000000p-7f},
                                        {190, 0x1.93d70a0000000p-4f},
                                        {200, 0x1.de66660000000p-3f},
                                        {222, 0x1.1600000000000p-1f},
                                        {254, 0x1.fc66660000000p-1f},
                                        {255, 0x1.0000000000000p+0f}};
  for (const auto& [code, value] : rows) EXPECT_EQ(values[static_cast<size_t>(code)], value) << code;
}

TEST(Element, Nf4IsTheQuantilesOfTheNormalDistribution) {
  const double offset = 0.9677083;
  const std::span<const float> nf4 = decode_table(element("nf4"));
  const double scale = normal_quantile(offset);
  for (int i = 0; i < 8; ++i) {
    const double positive = normal_quantile(offset + (0.5 - offset) * (8 - i) / 8) / scale;
    EXPECT_NEAR(nf4[static_cast<size_t>(7 + i)], positive, 2e-7) << i;
    if (i < 7) {
      const double negative = -normal_quantile(offset + (0.5 - offset) * i / 7) / scale;
      EXPECT_NEAR(nf4[static_cast<size_t>(i)], negative, 2e-7) << i;
    }
  }
}

// The fields of a code by the text of the name alone: shares nothing with the descriptor.
float value_by_fields(int exponent_bits, int mantissa_bits, int bias, bool is_signed, std::string_view variant,
                      uint32_t code) {
  const int width = exponent_bits + mantissa_bits;
  const bool negative = is_signed && (code >> width) != 0;
  const uint32_t body = code & ((1u << width) - 1), top = (1u << exponent_bits) - 1;
  const uint32_t field = body >> mantissa_bits, mantissa = body & ((1u << mantissa_bits) - 1);
  if (variant == "ieee" && field == top) return mantissa != 0 ? NAN : negative ? -kInf : kInf;
  if (variant == "fn" && body == (1u << width) - 1) return NAN;
  if (variant == "fnuz" && negative && body == 0) return NAN;
  const bool no_zero = !is_signed && mantissa_bits == 0;
  const double fraction = std::ldexp(mantissa, -mantissa_bits);
  const double magnitude = field == 0 && !no_zero ? std::ldexp(fraction, 1 - bias)
                                                  : std::ldexp(1 + fraction, static_cast<int>(field) - bias);
  return static_cast<float>(negative ? -magnitude : magnitude);
}

void check_codes(const std::string& name, int x, int m, int bias, bool is_signed, std::string_view variant) {
  SCOPED_TRACE(name);
  const auto parsed = parse_element(name);
  if (!parsed.ok()) {
    // The only reasons for which a shape of up to 16 bits is refused.
    const bool reason = parsed.message().find("range of f32") != std::string::npos ||
                        parsed.message().find("more finite values") != std::string::npos;
    EXPECT_TRUE(reason) << parsed.message();
    return;
  }
  const std::span<const float> table = decode_table(*parsed);
  ASSERT_EQ(table.size(), size_t{1} << (x + m + (is_signed ? 1 : 0)));
  uint32_t wrong = 0;
  for (uint32_t code = 0; code < table.size(); ++code) {
    wrong += !same(table[code], value_by_fields(x, m, bias, is_signed, variant, code));
    wrong += !same(table[code], parsed->decode(code));
  }
  EXPECT_EQ(wrong, 0u);
}

TEST(Element, EveryCodeOfEveryFloatAgainstItsFields) {
  for (int x = 1; x <= 8; ++x) {
    for (int m = 0; x + m <= 15; ++m) {
      const int standard = (1 << (x - 1)) - 1;
      for (const std::string variant : {"ieee", "fn", "fnuz", "finite"}) {
        const bool finite_fn = variant == "fn" && ((x == 2 && m >= 1 && m <= 3) || (x == 3 && m == 2));
        const int bias = standard + (variant == "fnuz" ? 1 : 0);
        const std::string name = fmt::format("e{}m{}", x, m);
        check_codes(name + variant, x, m, bias, true, finite_fn ? "finite" : variant);
        check_codes(fmt::format("{}b{}{}", name, bias + 3, variant), x, m, bias + 3, true,
                    finite_fn ? "finite" : variant);
      }
      check_codes(fmt::format("ue{}m{}", x, m), x, m, standard, false, "fn");
    }
    if (x <= 8) check_codes(fmt::format("ue{}m{}", x, 16 - x), x, 16 - x, (1 << (x - 1)) - 1, false, "fn");
  }
}

TEST(Element, F32IsItsBits) {
  const ElementFormat f = element("f32");
  Rng rng(3);
  for (int i = 0; i < 100000; ++i) {
    const uint32_t code = rng.next_u32();
    const float v = bits_float(code);
    EXPECT_TRUE(same(f.decode(code), v));
    if (!std::isnan(v)) {
      EXPECT_EQ(encode(f, v, {Rounding::nearest_even, Saturation::none}), code);
    }
  }
  EXPECT_EQ(f.max_value(), std::numeric_limits<float>::max());
  EXPECT_EQ(f.code_count(), 0u);
  EXPECT_EQ(integer_form(f), nullptr);
}

TEST(Element, IntegerFormsOfKnownElements) {
  struct Row {
    const char* name;
    int exponent, least, most;
  };
  const Row rows[] = {{"e2m1", -1, -12, 12},       {"e2m3", -3, -60, 60},     {"e2m2", -2, -28, 28},
                      {"int4", 0, -8, 7},          {"uint8", 0, 0, 255},      {"int8", 0, -128, 127},
                      {"int1", 0, -1, 0},          {"fix8.6", -6, -128, 127}, {"fix4.9", -9, -8, 7},
                      {"ternary", 0, -1, 1},       {"binary", 0, -1, 1},      {"iq4nl", 0, -127, 113},
                      {"e3m0finite", -2, -64, 64}, {"ufix8.3", -3, 0, 255}};
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    const IntegerForm* form = integer_form(element(row.name));
    ASSERT_NE(form, nullptr);
    EXPECT_EQ(form->exponent, row.exponent);
    EXPECT_EQ(form->least, row.least);
    EXPECT_EQ(form->most, row.most);
  }
  const IntegerForm* e2m1 = integer_form(element("e2m1"));
  EXPECT_EQ(std::vector<int16_t>(e2m1->integers.begin(), e2m1->integers.begin() + 8),
            (std::vector<int16_t>{0, 1, 2, 3, 4, 6, 8, 12}));
  for (const char* name : {"e4m3fn", "e5m2", "nf4", "e8m0", "e3m2", "bf16", "f16", "e2m1ieee", "fix12.4"}) {
    EXPECT_EQ(integer_form(element(name)), nullptr) << name;
  }
}

ElementFormat made_codebook(std::vector<double> values) { return make_codebook("made", 4, std::move(values)); }

TEST(Element, IntegerFormsSpanOneByte) {
  EXPECT_NE(integer_form(made_codebook({-100, 155, 1})), nullptr);
  EXPECT_EQ(integer_form(made_codebook({-100, 156, 1})), nullptr);
  EXPECT_NE(integer_form(made_codebook({-128, 127, 1})), nullptr);
  EXPECT_EQ(integer_form(made_codebook({-129, 100, 1})), nullptr);
  EXPECT_EQ(integer_form(made_codebook({0, 256, 1})), nullptr);
  EXPECT_EQ(integer_form(made_codebook({0, 256, 2}))->exponent, 1);
  EXPECT_EQ(integer_form(made_codebook({0, 0, 0}))->exponent, 0);
}

// An integer form exists exactly where some power of two makes all values integers of the promised range.
TEST(Element, IntegerFormsByTrial) {
  Rng rng(5);
  int with = 0, without = 0;
  for (int i = 0; i < 600; ++i) {
    const ElementFormat f = sample_element(rng);
    SCOPED_TRACE(print(f));
    const std::span<const float> values = decode_table(f);
    bool possible = false;
    for (int k = -160; k <= 128 && !possible; ++k) {
      double least = HUGE_VAL, most = -HUGE_VAL;
      bool whole = true;
      for (const float v : values) {
        const double q = std::ldexp(static_cast<double>(v), -k);
        whole = whole && std::isfinite(q) && q == std::floor(q);
        least = std::fmin(least, q);
        most = std::fmax(most, q);
      }
      possible = whole && least >= -128 && most <= 255 && most - least <= 255;
    }
    const IntegerForm* form = integer_form(f);
    ASSERT_EQ(form != nullptr, possible);
    (possible ? with : without) += 1;
    if (form == nullptr) continue;
    ASSERT_EQ(form->integers.size(), values.size());
    for (size_t code = 0; code < values.size(); ++code) {
      EXPECT_EQ(std::ldexp(form->integers[code], form->exponent), values[code]);
      EXPECT_LE(form->least, form->integers[code]);
      EXPECT_GE(form->most, form->integers[code]);
    }
  }
  EXPECT_GT(with, 100);
  EXPECT_GT(without, 50);
}

TEST(Element, TablesAreSharedBetweenThreads) {
  std::vector<std::vector<const float*>> seen(4);
  std::vector<std::thread> threads;
  for (auto& mine : seen) {
    threads.emplace_back([&mine] {
      Rng rng(11);
      for (int i = 0; i < 200; ++i) {
        const ElementFormat f = sample_element(rng);
        mine.push_back(decode_table(f).data());
        if (const IntegerForm* form = integer_form(f)) mine.push_back(reinterpret_cast<const float*>(form));
        EXPECT_EQ(f.decode(encode(f, 1.0)), f.decode(encode(f, 1.0)));
      }
    });
  }
  for (std::thread& t : threads) t.join();
  for (const auto& other : seen) EXPECT_EQ(other, seen[0]);
}

TEST(Element, EqualityLooksAtWhatMatters) {
  ElementFormat a = element("int4"), b = element("int4");
  b.bias = 99;  // means nothing for an integer
  EXPECT_EQ(a, b);
  EXPECT_FALSE(element("int4") == element("uint4"));
  EXPECT_FALSE(element("fix8.4") == element("fix8.5"));
  EXPECT_FALSE(element("e4m3fn") == element("e4m3fnuz"));
  EXPECT_FALSE(element("e4m3b8fn") == element("e4m3fn"));
  EXPECT_FALSE(element("nf4") == element("iq4nl"));
  auto book = std::make_shared<Codebook>(*element("nf4").codebook);
  b = element("nf4");
  b.codebook = book;
  EXPECT_EQ(b, element("nf4"));
  book->values[3] += 1;
  EXPECT_FALSE(b == element("nf4"));
}

}  // namespace
}  // namespace lowbit::formats

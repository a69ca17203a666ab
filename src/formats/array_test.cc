// Arrays against the scalar functions, number for number: every kind of element, rounding and saturation, every
// instruction set of this machine, odd lengths, threads, strides.
#include "formats/array.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "formats/codebook.h"
#include "formats/encode_oracle.h"
#include "formats/sample.h"

namespace lowbit::formats {
namespace {

// Values, what lies between and beside them, and floats of any bits.
std::vector<float> inputs_for(const ElementFormat& f, size_t count, uint64_t seed) {
  Rng rng(seed);
  std::vector<float> out = {0.0f,           -0.0f,  HUGE_VALF, -HUGE_VALF, std::nanf(""),
                            -std::nanf(""), 1e-45f, -1e-45f,   3e38f,      -3e38f};
  while (out.size() < count) {
    const auto code = static_cast<uint32_t>(rng.below(f.code_count()));
    const double a = value(f, code), b = value(f, code + 1 < f.code_count() ? code + 1 : 0);
    // 256: ties of roundings with 7 random bits.
    const double part =
        rng.below(2) == 0 ? static_cast<double>(rng.below(9)) / 8 : static_cast<double>(rng.below(257)) / 256;
    const double x = std::isfinite(a) && std::isfinite(b) ? a + (b - a) * part : a * (1 + part);
    const auto y = static_cast<float>(x);
    switch (rng.below(5)) {
      case 0:
        out.push_back(std::nextafter(y, HUGE_VALF));
        break;
      case 1:
        out.push_back(std::nextafter(y, -HUGE_VALF));
        break;
      case 2:
        out.push_back(bits_float(rng.next_u32()));
        break;
      case 3:
        out.push_back(static_cast<float>(largest(f) * (0.9 + 0.02 * static_cast<double>(rng.below(12)))));
        break;
      default:
        out.push_back(y);
    }
  }
  return out;
}

bool same_float(float a, float b) { return (std::isnan(a) && std::isnan(b)) || float_bits(a) == float_bits(b); }

template <class Code>
void check_codes(const ElementFormat& f, const std::vector<float>& in, const ArrayOptions& options,
                 const std::vector<uint32_t>& expected) {
  std::vector<Code> got(in.size());
  encode_array(f, in, std::span<Code>(got), options);
  for (size_t i = 0; i < in.size(); ++i) {
    ASSERT_EQ(got[i], expected[i]) << fmt::format(
        "{} {} {} {} element {} x {:a} ({:08x})", print(f), print_rounding(options.policy),
        print_saturation(options.policy.saturation), isa_name(options.isa), i, in[i], float_bits(in[i]));
  }
}

void check(const ElementFormat& f, const CastPolicy& policy, const std::vector<float>& in) {
  ArrayOptions options{policy, 12345, Isa::portable, nullptr};
  std::vector<uint32_t> expected(in.size());
  for (size_t i = 0; i < in.size(); ++i) {
    expected[i] = encode(f, static_cast<double>(in[i]), policy, random_word(options.seed, i));
  }
  for (const Isa isa : offered_isas()) {
    options.isa = isa;
    if (f.bits <= 8) check_codes<uint8_t>(f, in, options, expected);
    if (f.bits <= 16) check_codes<uint16_t>(f, in, options, expected);
    check_codes<uint32_t>(f, in, options, expected);
    if (testing::Test::HasFatalFailure()) return;
    std::vector<float> out(in.size());
    cast_array(f, in, out, options);
    for (size_t i = 0; i < in.size(); ++i) {
      ASSERT_TRUE(same_float(out[i], f.decode(expected[i])))
          << fmt::format("{} {} {} {} element {} x {:a}: {}, not {}", print(f), print_rounding(policy),
                         print_saturation(policy.saturation), isa_name(isa), i, in[i], out[i], f.decode(expected[i]));
    }
  }
}

std::vector<CastPolicy> policies() {
  std::vector<CastPolicy> out;
  for (const Rounding rounding : kRoundings) {
    for (const Saturation saturation :
         {Saturation::finite, Saturation::propagate, Saturation::none, Saturation::wrap}) {
      out.push_back({rounding, saturation, 32});
      if (is_stochastic(rounding)) out.push_back({rounding, saturation, 2});
      if (is_stochastic(rounding)) out.push_back({rounding, saturation, 7});
      if (is_stochastic(rounding)) out.push_back({rounding, saturation, 31});
    }
  }
  return out;
}

constexpr const char* kNamed[] = {"e4m3fn",
                                  "e5m2",
                                  "e4m3",
                                  "e4m3fnuz",
                                  "e2m1",
                                  "e3m2",
                                  "f16",
                                  "bf16",
                                  "tf32",
                                  "e8m0",
                                  "ue5m3",
                                  "binary8p4se",
                                  "binary8p1sf",
                                  "binary12p5ue",
                                  "e3m4nosub",
                                  "e5m2ftz",
                                  "int8",
                                  "int4",
                                  "uint5",
                                  "fix16.8",
                                  "ufix12.12",
                                  "nf4",
                                  "posit8",
                                  "posit16",
                                  "int8sym",
                                  "e3m0",
                                  "e8m3b120",
                                  "fp4",
                                  "dynamic8",
                                  "posit9",
                                  "posit12.1",
                                  "posit16.0",
                                  "posit16.4",
                                  "posit8.5",
                                  "posit3.6",
                                  "posit2",
                                  "lns8.3",
                                  "lns6.2lin",
                                  "lns12.6",
                                  "takum8",
                                  "takumlog8",
                                  "takumlog12",
                                  "pow8a0.35",
                                  "bipolar8",
                                  "[-0.3,0.1,0.100000001,7]",
                                  "[-0.000000000001,7]",
                                  "e3m3nosub",
                                  "e5m10ftz",
                                  "e8m7ftz",
                                  "e6m5nosub",
                                  "e7m8b126nosub",
                                  "e5m4fnuzftz",
                                  "e9m0nosub",
                                  "e4m0nosub",
                                  "ue5m7ftz",
                                  "ue4m3nosub",
                                  "ue5m0",
                                  "e4m3ftz",
                                  "e3m4fn",
                                  "uint16",
                                  "int16",
                                  "int1"};

TEST(Array, NamedElementsUnderEveryPolicy) {
  for (const char* name : kNamed) {
    const ElementFormat f = element(name);
    const std::vector<float> in = inputs_for(f, 331, 7);
    for (const CastPolicy& policy : policies()) check(f, policy, in);
    if (HasFatalFailure()) return;
  }
}

TEST(Array, RandomElements) {
  Rng rng(5);
  const std::vector<CastPolicy> all = policies();
  for (int i = 0; i < 250; ++i) {
    const ElementFormat f = sample_element(rng);
    const std::vector<float> in = inputs_for(f, 200 + rng.below(130), static_cast<uint64_t>(i));
    for (int k = 0; k < 2; ++k) check(f, all[rng.below(all.size())], in);
    check(f, {}, in);
    if (HasFatalFailure()) return;
  }
}

// What lies about the numbers of the format and their middles, closer than floats can tell, and far beyond both.
std::vector<double> doubles_for(const ElementFormat& f, uint64_t seed) {
  Rng rng(seed);
  std::vector<double> out;
  for (const double x : {0.0, 5e-324, 1e-320, 0x1p-150, 0x1.8p-149, 0x1.fffffep-127, 0x1.fffffefp127, 0x1p128, 1e300,
                         static_cast<double>(std::numeric_limits<float>::max()), HUGE_VAL, std::nan("")}) {
    out.insert(out.end(), {x, -x});
  }
  while (out.size() < 800) {
    const auto code = static_cast<uint32_t>(rng.below(f.code_count()));
    const double a = value(f, code), b = value(f, code + 1 < f.code_count() ? code + 1 : 0);
    if (!std::isfinite(a) || !std::isfinite(b)) continue;
    const double x = a + (b - a) * static_cast<double>(rng.below(65)) / 64;
    const double near = x * 0x1p-50 * rng.uniform();
    out.insert(out.end(), {x, x + near, x - near, std::ldexp(rng.uniform() - 0.5, static_cast<int>(rng.below(40)))});
  }
  return out;
}

TEST(Array, DoublesAreRoundedOnce) {
  ThreadPool pool(2);
  for (const char* name :
       {"e2m1",         "e4m3fn",   "f16",       "bf16",      "e5m2fnuz",  "ue5m3",   "e8m3b120",  "e8m0",     "tf32",
        "binary15p2se", "posit16",  "posit8",    "posit16.4", "posit12.0", "int8",    "uint4",     "fix16.8",  "nf4",
        "e4m3ftz",      "e5m10ftz", "e6m5nosub", "lns8.3",    "takum8",    "takum16", "takumlog8", "pow8a0.35"}) {
    const ElementFormat f = element(name);
    const std::vector<double> in = doubles_for(f, 8);
    for (const CastPolicy& policy : policies()) {
      for (const Isa isa : offered_isas()) {
        const ArrayOptions options{policy, 17, isa, &pool, 128};
        std::vector<uint32_t> got(in.size());
        encode_array(f, std::span<const double>(in), std::span(got), options);
        for (size_t i = 0; i < in.size(); ++i) {
          ASSERT_EQ(got[i], encode(f, in[i], policy, random_word(17, 128 + i)))
              << fmt::format("{} {} {} {} {:a}", name, print_rounding(policy), print_saturation(policy.saturation),
                             isa_name(isa), in[i]);
        }
      }
    }
  }
}

// Where 32 random bits decide by the last of them: random words close to 2^32, and parts as close to nothing.
TEST(Array, LastRandomBitsCount) {
  constexpr uint64_t kSeed = 5;
  int found = 0;
  for (uint64_t i = 0; found < 6; ++i) {
    const uint32_t random = random_word(kSeed, i);
    if (random < 0xFFFFF800u) continue;
    ++found;
    const double least = 0x1p-32 * (0x1p32 - random);
    for (const char* name : {"int8", "e4m3fn", "f16", "fix16.8", "ternary", "posit16", "e8m0"}) {
      const ElementFormat f = element(name);
      const double quantum = std::strcmp(name, "fix16.8") == 0 ? 0x1p-8 : f.kind == ElementKind::floating ? 0 : 1;
      for (const int halves : {-4, -3, -2, -1, 0, 1, 2}) {
        for (const Rounding rounding : {Rounding::stochastic, Rounding::stochastic_b, Rounding::stochastic_c}) {
          for (const Isa isa : offered_isas()) {
            const double step = quantum != 0 ? quantum : f.has_zero ? value(f, 1) : value(f, 128);
            const double from = f.has_zero ? 0 : value(f, 128);
            for (const double more : {0.0, 0x1p-40}) {
              std::vector<float> in(64);
              const auto x = static_cast<float>(from + step * (least + halves * 0x1p-33 + more));
              in[i % 64] = x;
              ArrayOptions options{{rounding, Saturation::finite, 32}, kSeed, isa, nullptr};
              options.first = static_cast<int64_t>(i / 64 * 64);
              std::vector<uint32_t> got(64);
              encode_array(f, in, std::span(got), options);
              ASSERT_EQ(got[i % 64], encode(f, static_cast<double>(x), options.policy, random)) << fmt::format(
                  "{} {} {} {:a} {:08x}", name, print_rounding(options.policy), isa_name(isa), x, random);
            }
          }
        }
      }
    }
  }
}

// A part of the distance that doubles round to all of it stays below it.
TEST(Array, WhatIsAlmostOneNeighbourMayStillBecomeTheOther) {
  const ElementFormat f = element("[-0.000000000001,7]");
  const std::vector<float> in(256, std::nextafter(f.decode(0), 1.0f));
  check(f, {Rounding::stochastic, Saturation::finite, 2}, in);
}

// Where the rounding of a posit changes: its value, and the posit of one bit more.
TEST(Array, EveryPositAndWhatLiesBetween) {
  for (const char* name : {"posit16", "posit16.0", "posit13.1", "posit10.3", "posit16.5", "posit4.2"}) {
    const ElementFormat f = element(name);
    std::vector<float> in;
    const CodebookIndex& index = f.codebook->index;
    for (size_t i = 0; i + 1 < index.values.size(); ++i) {
      for (const double x : {index.values[i], index.middles[i].to_double()}) {
        const auto y = static_cast<float>(x);
        in.insert(in.end(), {std::nextafter(y, -HUGE_VALF), y, std::nextafter(y, HUGE_VALF)});
      }
    }
    for (const Rounding rounding : {Rounding::nearest_even, Rounding::nearest_away, Rounding::to_zero, Rounding::up,
                                    Rounding::to_odd, Rounding::stochastic_b}) {
      check(f, {rounding, Saturation::none, 32}, in);
    }
    if (HasFatalFailure()) return;
  }
}

TEST(Array, ThreadsAndStridesChangeNothing) {
  ThreadPool pool(3);
  const ElementFormat f = element("e4m3fn");
  const std::vector<float> in = inputs_for(f, 70001, 9);
  for (const Rounding rounding : {Rounding::nearest_even, Rounding::stochastic}) {
    ArrayOptions options;
    options.policy.rounding = rounding;
    options.seed = 99;
    std::vector<float> one(in.size()), many(in.size()), spread(3 * in.size(), -1.0f), strided(in.size() * 2);
    cast_array(f, in, one, options);
    for (size_t i = 0; i < in.size(); ++i) strided[2 * i] = in[i];
    cast_array(f, strided.data(), spread.data(), static_cast<int64_t>(in.size()), {2, 3}, options);
    options.pool = &pool;
    cast_array(f, in, many, options);
    for (size_t i = 0; i < in.size(); ++i) {
      ASSERT_TRUE(same_float(one[i], many[i])) << i;
      ASSERT_TRUE(same_float(one[i], spread[3 * i])) << i;
    }
    EXPECT_EQ(spread[1], -1.0f);
    const std::span<const float> all(in);
    options.first = 640;
    cast_array(f, all.subspan(640), std::span(many).subspan(640), options);
    options.first = 0;
    for (size_t i = 0; i < in.size(); ++i) ASSERT_TRUE(same_float(one[i], many[i])) << i;
    std::vector<float> place = in;
    cast_array(f, place, place, options);
    for (size_t i = 0; i < in.size(); ++i) ASSERT_TRUE(same_float(one[i], place[i])) << i;
  }
}

TEST(Array, Decoding) {
  for (const char* name : {"e4m3fn", "e2m1", "nf4", "posit8", "f16", "posit16", "int4", "fix12.4", "ue5m3", "lns8.3",
                           "takumlog8", "pow12a0.5"}) {
    const ElementFormat f = element(name);
    for (const Isa isa : offered_isas()) {
      const ArrayOptions options{{}, 0, isa, nullptr};
      std::vector<uint16_t> codes;
      for (uint32_t c = 0; c < f.code_count(); ++c) codes.push_back(static_cast<uint16_t>(c * 5 % f.code_count()));
      codes.resize(codes.size() - 1);
      std::vector<float> out(codes.size());
      decode_array(f, codes, out, options);
      for (size_t i = 0; i < codes.size(); ++i) ASSERT_TRUE(same_float(out[i], f.decode(codes[i]))) << name;
      if (f.bits > 8) continue;
      const std::vector<uint8_t> bytes(codes.begin(), codes.end());
      decode_array(f, bytes, out, options);
      for (size_t i = 0; i < codes.size(); ++i) ASSERT_TRUE(same_float(out[i], f.decode(codes[i]))) << name;
      std::vector<uint16_t> bf16(bytes.size());
      decode_to_bf16(f, bytes, bf16, options);
      for (size_t i = 0; i < codes.size(); ++i) {
        ASSERT_EQ(bf16[i], encode(element("bf16"), f.decode(bytes[i]), {Rounding::nearest_even, Saturation::none}))
            << name << " " << isa_name(isa);
      }
    }
  }
}

// Results of more than 128 MB go past the caches, from any place in memory on.
TEST(Array, LongerThanCaches) {
  ThreadPool pool(2);
  const ElementFormat f = element("e4m3fn");
  std::vector<float> values;
  for (uint32_t c = 0; c < 256; ++c) values.push_back(f.decode(c));
  std::vector<uint8_t> codes((size_t{1} << 25) + 77);
  for (size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<uint8_t>(i * 2654435761u >> 24);
  std::vector<float> all(codes.size() + 2, -1.0f), in_place(codes.size());
  const std::span<float> out = std::span(all).subspan(1, codes.size());
  for (const Isa isa : offered_isas()) {
    std::fill(all.begin(), all.end(), -1.0f);
    const ArrayOptions options{{}, 0, isa, &pool};
    decode_array(f, codes, out, options);
    size_t wrong = 0;
    for (size_t i = 0; i < codes.size(); ++i) wrong += same_float(out[i], values[codes[i]]) ? 0 : 1;
    EXPECT_EQ(wrong, 0u) << isa_name(isa);
    EXPECT_EQ(all.front(), -1.0f);
    EXPECT_EQ(all.back(), -1.0f);
    std::copy(out.begin(), out.end(), in_place.begin());
    cast_array(f, in_place, in_place, options);  // codes have their own values
    for (size_t i = 0; i < codes.size(); ++i) wrong += same_float(out[i], in_place[i]) ? 0 : 1;
    EXPECT_EQ(wrong, 0u) << isa_name(isa);
  }
}

// Floats of 9 to 16 bits have a way by arithmetic: every code of every kind, bit for bit, NaN with them.
TEST(Array, EveryCodeOfFloatsOfMoreThanEightBits) {
  std::vector<std::string> names = {"f16", "bf16", "e8m7fn", "e7m8b126", "e7m8b118", "e5m10b-3", "e8m3b120", "e9m6"};
  for (const char* size :
       {"e5m10", "e4m11", "e3m12", "e2m13", "e1m14", "e6m9", "e7m8", "e8m7", "e8m4", "e4m5", "e5m3"}) {
    for (const char* variant : {"", "fn", "fnuz", "finite", "ieee", "nuz", "n", "inf", "nosub", "ftz"})
      names.push_back(fmt::format("{}{}", size, variant));
  }
  for (const char* name : {"binary15p2se", "binary15p8sf", "binary15p11se", "binary9p1sf", "binary12p5ue", "ue5m7"}) {
    names.emplace_back(name);
  }
  int known = 0;
  for (const std::string& name : names) {
    const auto format = parse_format(name);
    if (!format.ok()) continue;
    ++known;
    const ElementFormat& f = format.value().element;
    std::vector<uint16_t> codes(f.code_count());
    for (uint32_t c = 0; c < f.code_count(); ++c) codes[c] = static_cast<uint16_t>(c);
    std::vector<float> out(codes.size());
    for (const Isa isa : offered_isas()) {
      decode_array(f, codes, out, {{}, 0, isa, nullptr});
      for (size_t i = 0; i < codes.size(); ++i) {
        ASSERT_EQ(float_bits(out[i]), float_bits(f.decode(codes[i]))) << name << " " << isa_name(isa) << " " << i;
      }
    }
  }
  EXPECT_GE(known, 40);
}

}  // namespace
}  // namespace lowbit::formats

// The format language: every alias, random formats, and wrong strings with the column that is named.
#include <gtest/gtest.h>

#include <cctype>
#include <set>
#include <string>

#include "base/rng.h"
#include "formats/format.h"
#include "formats/sample.h"

namespace lowbit::formats {
namespace {

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

TEST(Parse, AliasesMeanWhatTheirRowsSay) {
  std::set<std::string_view> names;
  for (const Alias& alias : aliases()) {
    SCOPED_TRACE(alias.name);
    EXPECT_TRUE(names.insert(alias.name).second) << "twice in the list";
    EXPECT_FALSE(alias.source.empty());
    const auto by_name = parse_format(alias.name);
    const auto by_meaning = parse_format(alias.meaning);
    ASSERT_TRUE(by_name.ok()) << by_name.message();
    ASSERT_TRUE(by_meaning.ok()) << by_meaning.message();
    EXPECT_EQ(*by_name, *by_meaning);
    EXPECT_EQ(*parse_format(upper(alias.name)), *by_meaning);
    EXPECT_EQ(*parse_format(upper(alias.meaning)), *by_meaning);
    EXPECT_EQ(*parse_format(print(*by_name)), *by_name);
  }
}

TEST(Parse, NamedElementsPrintTheirName) {
  for (const ElementRow& row : named_elements()) {
    SCOPED_TRACE(row.name);
    const auto element = parse_element(row.name);
    ASSERT_TRUE(element.ok()) << element.message();
    EXPECT_EQ(print(*element), row.name);
    EXPECT_EQ(*parse_element(upper(row.name)), *element);
    const auto format = parse_format(row.name);
    if (element->bits == 19) continue;  // tf32: a format of arithmetic, not of storage
    ASSERT_TRUE(format.ok());
    EXPECT_TRUE(format->is_plain());
    EXPECT_EQ(print(*format), row.name);
  }
}

// What a person writes and what is printed for it.
TEST(Parse, PrintsTheShortestName) {
  const std::pair<const char*, const char*> rows[] = {
      {"int4/128:f16", "int4/128"},
      {"int4/128", "int4/128"},
      {"INT4/128:F16+ZP", "int4/128:f16+zp"},
      {"int4/32", "q4_0"},
      {"int8/32:fp16", "q8_0"},
      {"uint4/32:f16+f16", "q4_1"},
      {"uint5/32:f16+f16", "q5_1"},
      {"uint4/32:uint6+uint6/256:f16+f16", "q4_k"},
      {"uint5/32:uint6+uint6/256:e5m10+fp16", "q5_k"},
      {"int6/16:int8/256:f16", "q6_k"},
      {"int6/16:int8/256", "q6_k"},
      {"e2m1/32:ue8m0", "mxfp4"},
      {"mxfp6_e2m3", "mxfp6"},
      {"mxfp8_e4m3", "mxfp8"},
      {"fix8.6/32:e8m0", "mxint8"},
      {"e2m1/16:e4m3fn/tensor:f32", "nvfp4"},
      {"fp32", "f32"},
      {"e8m23", "f32"},
      {"e5m10", "f16"},
      {"e8m7", "bf16"},
      {"e4m3b7fn", "e4m3fn"},
      {"e4m3ieee", "e4m3"},
      {"e2m1fn", "e2m1"},
      {"e2m1finite", "e2m1"},
      {"e2m2", "e2m2"},
      {"e2m1ieee", "e2m1ieee"},
      {"e3m0finite", "e3m0finite"},
      {"ue8m0", "e8m0"},
      {"int4/row:bf16/tensor", "int4/row:bf16/tensor"},
      {"int4/32:uint6/row:f32", "int4/32:uint6/row:f32"},
      {"uint4/32:uint6+uint6/256:f16", "uint4/32:uint6+uint6/256"},
      {"nf4/64:f32", "nf4/64:f32"},
      {"ternary/row:f32", "ternary/row:f32"},
      {"ufix8.4", "ufix8.4"},
      {"q4_0/tensor:f32", nullptr},
      {"E4M3FN/128X128:f32", "e4m3fn/128x128:f32"},
      {"e4m3fn/1x128:f32", "e4m3fn/128:f32"},
      {"e4m3fn/128x1", "e4m3fn/128x1"},
      {"e2m1/16x16:e4m3fn/tensor:f32", "e2m1/16x16:e4m3fn/tensor:f32"},
      {"int4/32:uint6/8x64:f16/16x128:f32", "int4/32:uint6/8x64/16x128:f32"},
      {"int4/16:e4m3fn/row/tensor:f32", "int4/16:e4m3fn/row/tensor:f32"},
      {"int5sm/2:ue1m0b1finite/16:e8m0", "int5sm/2:ue1m0b1finite/16:e8m0"},
      {"fix5.3sm/2:ue1m0b1finite/16:e8m0", "mx6"},
      {"fix4.2sm/16:e8m0", "msfp12"},
  };
  for (const auto& [written, printed] : rows) {
    SCOPED_TRACE(written);
    const auto format = parse_format(written);
    ASSERT_EQ(format.ok(), printed != nullptr);
    if (printed != nullptr) {
      EXPECT_EQ(print(*format), printed);
    }
  }
}

// Weights are multiplied as floats; an element alone may be wider.
TEST(Parse, ValuesOfFormatsStayWithinF32) {
  EXPECT_TRUE(parse_format("e5m2b148").ok());  // least value 2^-149
  EXPECT_FALSE(parse_format("e5m2b149").ok());
  EXPECT_TRUE(parse_format("e8m4b127").ok());  // largest exponent 127
  EXPECT_FALSE(parse_format("e8m4b126").ok());
  EXPECT_TRUE(parse_format("e8m7fnuz").ok());
  EXPECT_FALSE(parse_format("e8m7finite").ok());
  EXPECT_FALSE(parse_format("int4/32:e8m4b126").ok());
  EXPECT_FALSE(parse_format("tf32").ok());
  for (const char* wide : {"e5m2b149", "e8m4b126", "e8m7finite", "tf32", "binary15p1se", "posit16.5", "e11m4"}) {
    EXPECT_TRUE(parse_element(wide).ok()) << wide;
    EXPECT_EQ(print(parse_element(wide).value()), wide);
  }
}

TEST(Parse, VariantsOfFloats) {
  // What is written, what is printed for it.
  const std::pair<const char*, const char*> rows[] = {
      {"e4m3nuz", "binary8p4se"},  {"Binary8p4sf", "e4m3fnuz"},    {"e4m3n", "e4m3n"},
      {"e4m3inf", "e4m3inf"},      {"e4m3fnftz", "e4m3fnftz"},     {"e4m3nosub", "e4m3nosub"},
      {"e4m3b-3", "e4m3b-3"},      {"ue4m3ieee", "ue4m3ieee"},     {"ue4m3n", "ue4m3n"},
      {"ue5m3b16", "binary8p4uf"}, {"binary8p1uf", "binary8p1uf"}, {"int8sm", "int8sm"},
      {"fix8.6sym", "fix8.6sym"},  {"bipolar3", "bipolar3"},       {"posit8.0", "posit8.0"},
      {"posit16_1", "posit16.1"},  {"posit16.2", "posit16"},       {"float8_e3m4fn", "e3m4fn"}};
  for (const auto& [written, printed] : rows) {
    const auto parsed = parse_element(written);
    ASSERT_TRUE(parsed.ok()) << written << ": " << parsed.message();
    EXPECT_EQ(print(*parsed), printed) << written;
    EXPECT_EQ(parse_element(printed).value(), *parsed) << written;
  }
  for (const char* wrong : {"ue4m3fnuz", "e16m0", "e4m3fnfn", "e4m3ftznosub", "binary8p8se", "binary2p1se", "posit1",
                            "posit17", "posit8.9", "int1sym", "bipolar9", "ue8m0ftz", "e4m3b--1"}) {
    EXPECT_FALSE(parse_element(wrong).ok()) << wrong;
  }
}

TEST(Parse, ListsOfValues) {
  const auto f = parse_format("[-1,0,0.50,1e0]/64:bf16");
  ASSERT_TRUE(f.ok()) << f.message();
  EXPECT_EQ(print(*f), "[-1,0,0.5,1]/64:bf16");
  EXPECT_EQ(parse_format(print(*f)).value(), *f);
  EXPECT_EQ(f->element.bits, 2);
  EXPECT_EQ(f->element.decode(2), 0.5f);
  EXPECT_EQ(parse_element("[3,1,2]").value().bits, 2);
  EXPECT_EQ(encode(parse_element("[3,1,2]").value(), 2.9), 0u);
  std::string longest = "[0";
  for (int i = 1; i < 256; ++i) longest += fmt::format(",{}", i * 1.234567e-20);
  EXPECT_EQ(parse_element(longest + "]").value().bits, 8);
  for (const char* wrong :
       {"[", "[]", "[1]", "[1,]", "[1,2", "[1,2]x", "[1;2]", "[nan,1]", "[1,inf]", "[1e99,0]", "[1,2]]"}) {
    const auto parsed = parse_element(wrong);
    EXPECT_FALSE(parsed.ok()) << wrong;
    if (!parsed.ok()) EXPECT_NE(parsed.message().find("column"), std::string::npos) << parsed.message();
  }
  EXPECT_FALSE(parse_element(longest + ",1]").ok());
}

TEST(Parse, Policies) {
  for (const char* name : {"rne", "rna", "rnz", "rno", "ru", "rd", "rz", "raz", "odd", "jam", "sr", "sr-equal",
                           "sr-8a", "sr-1b", "sr-31c", "sr-32c"}) {
    for (const char* saturation : {"finite", "propagate", "none", "wrap"}) {
      const auto policy = parse_policy(name, saturation);
      ASSERT_TRUE(policy.ok()) << policy.message();
      EXPECT_EQ(print_rounding(*policy), name);
      EXPECT_EQ(print_saturation(policy->saturation), saturation);
    }
  }
  EXPECT_EQ(parse_policy("sr-32a", "finite").value(), parse_policy("sr", "finite").value());
  for (const char* wrong : {"", "r", "sr-", "sr-0a", "sr-33a", "sr-8", "sr-8d", "sr-8ab", "nearest"}) {
    EXPECT_FALSE(parse_policy(wrong, "finite").ok()) << wrong;
  }
  EXPECT_FALSE(parse_policy("rne", "clip").ok());
}

TEST(Parse, FieldsOfALongFormat) {
  const auto f = parse_format("uint4/32:uint6+int5/256:f16+bf16/tensor:f32");
  ASSERT_TRUE(f.ok()) << f.message();
  ASSERT_EQ(f->levels.size(), 3u);
  EXPECT_EQ(f->element, *parse_element("uint4"));
  EXPECT_TRUE(f->has_minimum());
  EXPECT_FALSE(f->has_zero_point());
  EXPECT_EQ(f->levels[0].group, 32);
  EXPECT_EQ(f->levels[0].scale, *parse_element("uint6"));
  EXPECT_EQ(f->levels[0].minimum, *parse_element("int5"));
  EXPECT_EQ(f->levels[1].group, 256);
  EXPECT_EQ(f->levels[1].minimum, *parse_element("bf16"));
  EXPECT_EQ(f->levels[2].group, kGroupTensor);
  EXPECT_EQ(f->levels[2].scale, *parse_element("f32"));
  EXPECT_FALSE(f->levels[2].minimum.has_value());
  const auto square = parse_format("e2m1/8x16:e4m3fn/tensor:f32");
  EXPECT_EQ(square->levels[0].rows, 8);
  EXPECT_EQ(square->levels[0].group, 16);
  EXPECT_EQ(square->levels[1].rows, 1);
  EXPECT_EQ(bits_per_element(*square), 4 + 8.0 / 128);
  EXPECT_EQ(bits_per_element(*parse_format("ternary/128:f16")), 1.6 + 16.0 / 128);
  EXPECT_EQ(bits_per_element(*parse_format("[0,1,5]")), 1.6);
  EXPECT_EQ(bits_per_element(*parse_format("[0,1,5,6]")), 2);
  EXPECT_FALSE(*square == *parse_format("nvfp4"));
  EXPECT_TRUE(check_rows_apart(*parse_format("nvfp4")).ok());
  EXPECT_NE(check_rows_apart(*square).message().find("blocks of 8 rows"), std::string::npos);
  EXPECT_TRUE(parse_format("int4/128:f16+zp")->has_zero_point());
  EXPECT_EQ(parse_format("int4/128")->levels[0].scale, *parse_element("f16"));
  EXPECT_FALSE(*parse_format("int4/128") == *parse_format("int4/128:f16+zp"));
  EXPECT_FALSE(*parse_format("int4/128") == *parse_format("uint4/128"));
  EXPECT_FALSE(*parse_format("e4m3fn") == *parse_format("e4m3"));
}

TEST(Parse, RandomFormatsComeBack) {
  Rng rng(1);
  std::set<std::string> strings;
  std::set<std::string_view> taken;
  for (const Alias& alias : aliases()) taken.insert(alias.name);
  int kinds[4] = {}, zero_points = 0, minima = 0, depth[4] = {};
  for (int i = 0; i < 2000; ++i) {
    const Format f = sample_format(rng);
    const std::string text = print(f);
    SCOPED_TRACE(text);
    const auto again = parse_format(text);
    ASSERT_TRUE(again.ok()) << again.message();
    EXPECT_EQ(*again, f);
    EXPECT_EQ(print(*again), text);
    EXPECT_FALSE(taken.contains(text));
    EXPECT_LE(f.element.bits, 8);
    strings.insert(text);
    ++kinds[static_cast<int>(f.element.kind)];
    zero_points += f.has_zero_point();
    minima += f.has_minimum();
    ASSERT_LE(f.levels.size(), 3u);
    ++depth[f.levels.size()];
  }
  EXPECT_GT(strings.size(), 1500u);
  for (const int count : kinds) EXPECT_GT(count, 100);
  for (const int count : depth) EXPECT_GT(count, 50);
  EXPECT_GT(zero_points, 50);
  EXPECT_GT(minima, 200);
}

struct Wrong {
  const char* text;
  int column;
  const char* part;  // of the message
};

const Wrong kWrong[] = {
    {"", 1, "found the end"},
    {"/32", 1, "an element"},
    {" int4", 1, "found \" \""},
    {"int4 /32", 5, "found \" \""},
    {"nf5", 1, "nearest names: nf4"},
    {"e4m4x", 1, "nearest names: e4m3, e3m4, e4m3fn"},
    {"q4k", 1, "q4_k"},
    {"mxpf4", 1, "mxfp4"},
    {"e4m3nf", 1, "e4m3fn"},
    {"fp17", 1, "fp16"},
    {"in4/32", 1, "int4"},
    {"completelydifferent", 1, "such as int4"},
    {"int17", 4, "1 to 16 bits"},
    {"int0", 4, "1 to 16 bits"},
    {"uint20/32", 5, "1 to 16 bits"},
    {"int04", 1, "int4"},
    {"int4x", 1, "int4"},
    {"fix17.2", 4, "1 to 16 bits"},
    {"fix8.40", 6, "0 to 32 bits"},
    {"fix8", 1, "fix8.4"},
    {"e9m2", 1, "range of f32"},
    {"e0m3", 2, "1 to 15 exponent bits"},
    {"e16m3", 2, "1 to 15 exponent bits"},
    {"binary8p9se", 9, "a precision of 1 to 7"},
    {"posit17", 6, "2 to 16 bits"},
    {"int4/32:posit8", 9, "a float or an integer"},
    {"e8m10", 1, "at most 16 bits"},
    {"e5m99", 2, "at most 16 bits"},
    {"e8m7fn", 1, "range of f32"},
    {"e4m3b300", 1, "range of f32"},
    {"e5m2b200", 1, "range of f32"},
    {"e1m0", 1, "more finite values"},
    {"ue5m3fnuz", 6, "there is no -0"},
    {"e4m", 1, "unknown name"},
    {"e4m3b", 1, "unknown name"},
    {"int4/", 6, "found the end"},
    {"int4//", 6, "found \"/\""},
    {"int4/0", 6, "1 to 1048576"},
    {"int4/032", 6, "1 to 1048576"},
    {"int4/1048577", 6, "1 to 1048576"},
    {"int4/99999999999999999999999999", 6, "1 to 1048576"},
    {"int4/-1", 6, "found \"-\""},
    {"int4/rows", 6, "row or tensor"},
    {"int4/32:", 9, "a scale"},
    {"int4/32:q4_0", 9, "block format"},
    {"int4/32:nf4", 9, "a float or an integer"},
    {"int4/32:fix8.4", 9, "a float or an integer"},
    {"int4/32:f61", 9, "nearest names: f16"},
    {"int4/32:f16+", 13, "\"zp\" or a minimum"},
    {"int4/32:f16+zq", 13, "unknown name"},
    {"int4/32:f16+zp+f16", 15, "found \"+\""},
    {"int4/32:f16+f16x", 13, "unknown name"},
    {"int4/32:f16:f16", 12, "found \":\""},
    {"e2m1/32:f16+zp", 13, "integer element"},
    {"nf4/32:f16+zp", 12, "integer element"},
    {"int4/32:uint6/256:f16+zp", 23, "innermost level"},
    {"int4/32:uint6", 9, "outermost level"},
    {"int4/32:f16+uint6", 9, "outermost level"},
    {"int4/32:uint6/256:uint4", 19, "outermost level"},
    {"int4/32:uint6/256:f16+f16", 23, "where the innermost level has one"},
    {"int4/32:uint6+zp/256:f16+f16", 26, "where the innermost level has one"},
    {"int4/32/48", 9, "multiple of the inner group 32"},
    {"int4/64/32", 9, "multiple of the inner group 64"},
    {"int4/row/32", 10, "the only group outside a row"},
    {"int4/row/row", 10, "the only group outside a row"},
    {"int4/0x16", 6, "rows x elements"},
    {"int4/16x", 6, "rows x elements"},
    {"int4/x16", 6, "rows x elements"},
    {"int4/4x4x4", 6, "rows x elements"},
    {"int4/2000000x4", 6, "rows x elements"},
    {"int4/8x8/12x16", 10, "multiple of the inner group 8x8"},
    {"int4/8x8/64", 10, "multiple of the inner group 8x8"},
    {"int4/8x8/row", 10, "the inner blocks span several rows"},
    {"int4/row/8x8", 10, "the only group outside a row"},
    {"int4/tensor/row", 13, "nothing lies outside"},
    {"int4/tensor/tensor", 13, "nothing lies outside"},
    {"q4_0/256:f16", 1, "block format"},
    {"int4/1/1/1/1/1/1/1/1/1", 21, "at most 8 levels"},
    {"int4\n/32", 5, "found \"?\""},
    {"INT17/32", 4, "found \"INT17\""},
};

TEST(Parse, WrongStringsNameTheColumn) {
  for (const Wrong& row : kWrong) {
    SCOPED_TRACE(row.text);
    const auto format = parse_format(row.text);
    ASSERT_FALSE(format.ok());
    const std::string& message = format.message();
    EXPECT_NE(message.find("column " + std::to_string(row.column) + ":"), std::string::npos) << message;
    EXPECT_NE(message.find(row.part), std::string::npos) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  }
}

TEST(Parse, HostileStringsAreAnErrorOfBoundedLength) {
  const std::string long_name(100000, 'a');
  const auto named = parse_format(long_name);
  ASSERT_FALSE(named.ok());
  EXPECT_LT(named.message().size(), 300u);
  std::string levels = "int4";
  for (int i = 0; i < 50000; ++i) levels += "/1";
  EXPECT_FALSE(parse_format(levels).ok());
  EXPECT_FALSE(parse_format(std::string("int4\0/32", 8)).ok());
  EXPECT_FALSE(parse_element("int4/32").ok());
  EXPECT_FALSE(parse_element("q4_0").ok());
}

// Damaged versions of good strings: an error, or a format that comes back.
TEST(Parse, DamagedStringsNeverBreakTheRoundTrip) {
  Rng rng(7);
  const std::string_view letters = "0123456789abefilnmoprstuwxz_.:+/ ";
  for (int i = 0; i < 20000; ++i) {
    std::string text = print(sample_format(rng));
    for (uint64_t edits = 1 + rng.below(3); edits > 0 && !text.empty(); --edits) {
      const size_t at = rng.below(text.size());
      if (rng.below(3) == 0) {
        text.erase(at, 1);
      } else if (rng.below(2) == 0) {
        text[at] = letters[rng.below(letters.size())];
      } else {
        text.insert(at, 1, letters[rng.below(letters.size())]);
      }
    }
    const auto format = parse_format(text);
    if (format.ok()) {
      const auto again = parse_format(print(*format));
      ASSERT_TRUE(again.ok() && *again == *format) << text;
    } else {
      EXPECT_NE(format.message().find("column "), std::string::npos) << format.message();
    }
  }
}

}  // namespace
}  // namespace lowbit::formats

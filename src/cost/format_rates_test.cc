#include "cost/format_rates.h"

#include <gtest/gtest.h>

#include <set>

#include "cost/timing.h"

namespace lowbit::cost {
namespace {

TEST(Timing, CallsTheBodyAndCountsRuns) {
  int calls = 0;
  const Timing t = measure([&] { ++calls; }, 0);
  EXPECT_GE(t.runs, 5);
  EXPECT_GT(calls, 5);
  EXPECT_GT(t.seconds, 0);
}

TEST(Timing, TheFastestWindowIsThatOfAllThreadsTogether) {
  // One thread works all the time, 10 a second; the other from second 4 to 6, as fast.
  std::vector<Stretch> stretches = {{4, 5, 10}, {5, 6, 10}};
  for (int i = 0; i < 10; ++i) stretches.push_back({0.0 + i, 1.0 + i, 10});
  EXPECT_DOUBLE_EQ(fastest_window(stretches, 2), 20);
  EXPECT_DOUBLE_EQ(fastest_window(stretches, 4), 15);
  EXPECT_DOUBLE_EQ(fastest_window(stretches, 100), 12);
  EXPECT_DOUBLE_EQ(fastest_window({{1, 3, 8}}, 1), 4);
  EXPECT_EQ(fastest_window({}, 1), 0);
}

TEST(FormatRates, EveryKindOfWorkIsMeasuredAndItsAnswersChecked) {
  FormatRatesOptions options;
  for (const char* name : {"e4m3fn", "bf16", "int8", "posit8", "mxfp4", "nvfp4"}) {
    options.formats.push_back(formats::parse_format(name).value());
  }
  options.isas = {Isa::portable};
  options.rounds = {"rne", "sr"};
  options.seconds = 0;
  std::set<std::string> works, names;
  const Status status = measure_formats(options, [&](const FormatRate& rate) {
    works.insert(rate.work);
    names.insert(rate.name);
    EXPECT_GT(rate.nanoseconds, 0) << rate.name;
    EXPECT_GT(rate.share, 0) << rate.name;
    EXPECT_EQ(rate.resident, "cache");
  });
  EXPECT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(works,
            (std::set<std::string>{"arithmetic", "cast", "copy", "decode", "decode-bf16", "encode", "encode-f64"}));
  EXPECT_TRUE(names.contains("nvfp4") && names.contains("posit8 multiply") && names.contains("posit8 divide"));
}

TEST(FormatRates, WhatIsNoBlockFormatIsAnError) {
  FormatRatesOptions options;
  options.formats = {formats::parse_format("q4_k").value()};
  options.isas = {Isa::portable};
  EXPECT_FALSE(measure_formats(options, [](const FormatRate&) {}).ok());
}

}  // namespace
}  // namespace lowbit::cost

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

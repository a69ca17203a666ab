#include "search/job.h"

#include <gtest/gtest.h>

#include <set>

#include "search/assignment.h"

namespace lowbit::search {
namespace {

constexpr const char* kModel = "goldens/tiny-llama-mixed.gguf";

formats::Format format_of(const char* text) { return formats::parse_format(text).value(); }

// Whatever changes pieces changes the key.
TEST(Job, TheWorkKeyHoldsAllThatPiecesDependOn) {
  std::set<std::string> keys;
  JobOptions options;
  const auto note = [&] { keys.insert(work_key(kModel, options).value()); };
  note();
  note();
  EXPECT_EQ(keys.size(), 1u);
  options.sensitivity.rounding.scales.power_of_two_threshold = 0.0;
  note();
  options.sensitivity.rounding.scales.power_of_two_threshold = 0.5;
  note();
  options.program = "another version";
  note();
  options.sensitivity.method = "nearest";
  note();
  options.sensitivity.divide_rows = 64;
  note();
  options.calibration_text = "text";
  note();
  EXPECT_EQ(keys.size(), 7u);
}

TEST(Assignment, RulesAreAboutMatricesUnlessTheFormatIsForVectors) {
  const auto opened = models::open(kModel);
  ASSERT_TRUE(opened.ok());
  const auto pattern = [](const char* text) { return quant::NamePattern::compile(text).value(); };
  const auto norms = Assignment::make(*opened, {{pattern("norm"), format_of("int4/64")}});
  ASSERT_FALSE(norms.ok());
  EXPECT_NE(norms.message().find("\"norm\" is found in the name of no matrix of"), std::string::npos);
  const auto some =
      Assignment::make(*opened, {{pattern("blk.0"), format_of("int4/64")}, {pattern("attn"), format_of("bf16")}});
  ASSERT_TRUE(some.ok()) << some.message();
  EXPECT_EQ(formats::print(*some->asked("blk.0.attn_q.weight")), "int4/64");
  EXPECT_EQ(formats::print(*some->asked("blk.1.attn_q.weight")), "bf16");
  EXPECT_EQ(formats::print(*some->asked("blk.0.attn_norm.weight")), "bf16");
  EXPECT_EQ(some->asked("blk.1.ffn_up.weight"), nullptr);
  EXPECT_TRUE(some->rounds(format_of("bf16")));
  EXPECT_FALSE(Assignment::make(*opened, {})->rounds(format_of("bf16")));
}

}  // namespace
}  // namespace lowbit::search

#include <gtest/gtest.h>

#include <cmath>
#include <csignal>
#include <limits>

#include "cli/json_output.h"
#include "cli/progress_bar.h"
#include "cli/reply.h"
#include "cli/tensor_list.h"

namespace lowbit::cli {
namespace {

TEST(JsonOutputTest, RepairsBytesThatAreNoUtf8) {
  Json nested = {{"ok", "ö"}, {"list", Json::array({std::string("a\xff"), 1})}};
  nested[std::string("k\xc3")] = std::string("\xe2\x82");
  const std::string line = json_text(nested);
  EXPECT_EQ(line, "{\"k\xEF\xBF\xBD\":\"\xEF\xBF\xBD\",\"list\":[\"a\xEF\xBF\xBD\",1],\"ok\":\"ö\"}");
  EXPECT_EQ(Json::parse(line)["list"][0], "a\xEF\xBF\xBD");
}

TEST(JsonOutputTest, IsOneLineWhateverItHolds) {
  const std::string line = json_text({{"text", "a\nb\x01"}, {"n", std::nan("")}, {"m", INFINITY}});
  EXPECT_EQ(line.find('\n'), std::string::npos);
  const Json back = Json::parse(line);
  EXPECT_EQ(back["text"], "a\nb\x01");
  EXPECT_TRUE(back["n"].is_null());
  EXPECT_TRUE(back["m"].is_null());
}

TEST(ProgressTest, Durations) {
  EXPECT_EQ(duration_text(0.0), "0 s");
  EXPECT_EQ(duration_text(0.2), "1 s");
  EXPECT_EQ(duration_text(59.0), "59 s");
  EXPECT_EQ(duration_text(59.5), "1 min 00 s");
  EXPECT_EQ(duration_text(125.0), "2 min 05 s");
  EXPECT_EQ(duration_text(4320.0), "1 h 12 min");
  EXPECT_EQ(duration_text(-1.0), "0 s");
  EXPECT_FALSE(duration_text(std::numeric_limits<double>::infinity()).empty());
}

TEST(ProgressTest, LineShowsShareAndTimeLeft) {
  EXPECT_EQ(progress_line("loading", 1.0, 4.0, 10.0, 80), "loading  [######..................]  25 %  30 s left");
  EXPECT_EQ(progress_line("loading", 4.0, 4.0, 10.0, 80), "loading  [########################] 100 %");
  EXPECT_EQ(progress_line("loading", 0.0, 4.0, 10.0, 80), "loading  [........................]   0 %");
  EXPECT_EQ(progress_line("loading", 9.0, 4.0, 10.0, 80), "loading  [########################] 100 %");
  // Not 100 before the end.
  EXPECT_EQ(progress_line("x", 999.0, 1000.0, 900.0, 80), "x  [#######################.]  99 %  1 s left");
  EXPECT_EQ(progress_line("fetching", 5.0, 0.0, 61.0, 80), "fetching  1 min 01 s");
  EXPECT_EQ(progress_line("loading", 1.0, 4.0, 10.0, 10), "loading  [");
}

TEST(ReplyTest, ContextIsWhatIsNeededWithinWhatTheModelKnows) {
  const auto length = [](int64_t asked, int64_t prompt, int64_t needed, int64_t trained) {
    return context_length(asked, prompt, needed, trained).value();
  };
  EXPECT_EQ(length(0, 10, 74, 8192), 74);
  EXPECT_EQ(length(0, 10, 9000, 8192), 8192);
  EXPECT_EQ(length(0, 10, -1, 8192), 4096);
  EXPECT_EQ(length(0, 10, -1, 2048), 2048);
  EXPECT_EQ(length(0, 3000, -1, 8192), 6000);
  EXPECT_EQ(length(0, 10, -1, 0), 4096);
  EXPECT_EQ(length(100, 10, 74, 8192), 100);
  EXPECT_EQ(length(0, 0, 0, 8192), 1);
  EXPECT_FALSE(context_length(8193, 10, 74, 8192).ok());
}

TEST(ReplyTest, JsonHasTheKeysThatScriptsUse) {
  runtime::Generation generation;
  generation.ids = {1, 2, 3};
  generation.text = "abc";
  generation.finish_reason = "context";
  generation.prompt_tokens = 8;
  generation.prefill_seconds = 2.0;
  generation.decode_seconds = 1.5;
  const Json json = generation_json(generation, 11);
  EXPECT_EQ(json.at("ids"), Json::array({1, 2, 3}));
  EXPECT_EQ(json.at("text"), "abc");
  EXPECT_EQ(json.at("finish_reason"), "context");
  EXPECT_EQ(json.at("prompt_tokens"), 8);
  EXPECT_EQ(json.at("prefill_tokens_per_s"), 4.0);
  EXPECT_EQ(json.at("decode_tokens_per_s"), 2.0);
  EXPECT_NE(generation_summary(generation, 11).find("the context of 11 tokens is full"), std::string::npos);

  generation = {};
  EXPECT_EQ(generation_json(generation, 1).at("prefill_tokens_per_s"), 0.0) << "no division by zero";
}

TEST(ReplyTest, FirstInterruptRaisesAFlagAndASecondEndsTheProgram) {
  {
    const Interrupt interrupt;
    EXPECT_FALSE(interrupt.flag()->load());
    std::raise(SIGINT);
    EXPECT_TRUE(interrupt.flag()->load());
  }
  {
    const Interrupt interrupt;
    EXPECT_FALSE(interrupt.flag()->load()) << "a new reply begins anew";
  }
  EXPECT_EXIT(
      {
        const Interrupt interrupt;
        std::raise(SIGINT);
        std::raise(SIGINT);
      },
      testing::ExitedWithCode(130), "");
}

TEST(TensorListTest, CountsAllBytes) {
  const auto format = [](const char* name) { return formats::parse_format(name).value(); };
  const std::vector<io::TensorInfo> tensors = {{"a", {32, 64}, {{format("q8_0"), 32}}, 2176},
                                               {"b", {64}, {{format("f32"), 1}}, 256},
                                               {"c", {48, 64}, {{format("int4/64"), 16}, {format("f16"), 32}}, 5000}};
  const TensorTotals totals = tensor_totals(tensors);
  EXPECT_EQ(totals.parameters, 32 * 64 + 64 + 48 * 64);
  EXPECT_EQ(totals.bytes, 2176u + 256u + 5000u);
  EXPECT_DOUBLE_EQ(totals.bits_per_weight().get<double>(), 8.0 * 7432.0 / 5184.0);
  EXPECT_TRUE(tensor_totals({}).bits_per_weight().is_null());
  const Json list = tensor_list(tensors);
  EXPECT_EQ(list[0].at("format"), "q8_0");
  EXPECT_EQ(list[0].at("bits_per_weight"), 8.5);
  EXPECT_EQ(list[0].at("shape"), Json::array({32, 64}));
  EXPECT_FALSE(list[0].contains("parts"));
  EXPECT_EQ(list[2].at("format"), formats::print(format("int4/64")) + " + f16");
  EXPECT_EQ(list[2].at("parts")[1].at("rows"), 32);
}

}  // namespace
}  // namespace lowbit::cli

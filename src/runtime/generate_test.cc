// The loop from prompts to text, on models whose next token is written in a table.
#include "runtime/generate.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/rng.h"
#include "io/test_files.h"
#include "runtime/test_model.h"

namespace lowbit::runtime {
namespace {

using test::TableModel;

class Generate : public testing::Test {
 protected:
  void open(const TableModel& model) {
    test::write_table_model(folder_ / "model.safetensors", model);
    if (HasFatalFailure()) return;
    EngineOptions options;
    options.threads = 1;
    auto engine = Engine::open(folder_ / "model.safetensors", options);
    ASSERT_TRUE(engine.ok()) << engine.message();
    engine_ = std::move(engine).value();
  }
  // The text as it streamed must be the text of the result.
  Generation run(const std::vector<int32_t>& prompt, const GenerateOptions& options, int64_t context = 64) {
    Session session(*engine_, context);
    pieces_.clear();
    auto result = session.generate(prompt, options, [&](std::string_view piece) { pieces_.emplace_back(piece); });
    EXPECT_TRUE(result.ok()) << result.message();
    std::string streamed;
    for (const std::string& piece : pieces_) streamed += piece;
    EXPECT_EQ(streamed, result->text);
    return std::move(result).value();
  }
  static GenerateOptions with_stops(std::vector<std::string> stops, int64_t most = 20) {
    GenerateOptions options;
    options.stop = std::move(stops);
    options.max_tokens = most;
    return options;
  }

  io::test::TemporaryFolder folder_;
  std::unique_ptr<Engine> engine_;
  std::vector<std::string> pieces_;
};

// 0 "he", 1 "ll", 2 "o w", 3 "or", 4 "ld", then the end token 5; 6 "a" repeats itself.
TableModel hello() {
  return {{"he", "ll", "o w", "or", "ld", "<|im_end|>", "a"}, test::chain({1, 2, 3, 4, 5, 0, 6}), false, -1, 5};
}

TEST_F(Generate, TheTableModelGivesItsTable) {
  TableModel model = hello();
  Rng rng(1);
  for (auto& row : model.logits) {
    for (float& v : row) v = static_cast<float>(rng.below(64)) * 0.25f - 8.0f;
  }
  open(model);
  for (const auto& policy : {graph::NumericPolicy::standard(), graph::NumericPolicy::reference()}) {
    const auto executor = engine_->executor_for(policy, active_isa()).value();
    const std::vector<int32_t> tokens = {3, 0, 6, 6, 1};
    exec::Cache cache = executor->new_cache(5);
    const exec::Segment segment{tokens, &cache, 5};
    std::vector<float> logits, expected;
    ASSERT_TRUE(executor->forward({&segment, 1}, logits).ok());
    for (const int32_t t : tokens) {
      expected.insert(expected.end(), model.logits[static_cast<size_t>(t)].begin(),
                      model.logits[static_cast<size_t>(t)].end());
    }
    EXPECT_EQ(logits, expected);
  }
}

TEST_F(Generate, ToTheEndToken) {
  open(hello());
  const Generation g = run({0}, {});
  EXPECT_EQ(g.ids, (std::vector<int32_t>{1, 2, 3, 4}));
  EXPECT_EQ(g.text, "llo world");
  EXPECT_EQ(g.finish_reason, "stop");
  EXPECT_EQ(g.prompt_tokens, 1);
}

TEST_F(Generate, SoManyTokens) {
  open(hello());
  for (int64_t most = 0; most <= 4; ++most) {
    const Generation g = run({0}, with_stops({}, most));
    EXPECT_EQ(static_cast<int64_t>(g.ids.size()), most);
    EXPECT_EQ(g.finish_reason, "length");
  }
  EXPECT_EQ(run({0}, with_stops({}, 5)).finish_reason, "stop");
}

TEST_F(Generate, StopStringsAcrossTokens) {
  open(hello());
  const struct {
    std::vector<std::string> stops;
    std::string text, reason;
  } cases[] = {
      {{"llo"}, "", "stop"},
      {{"lo w"}, "l", "stop"},
      {{"o wor"}, "ll", "stop"},
      {{"world"}, "llo ", "stop"},
      {{"d"}, "llo worl", "stop"},
      {{"world", "lo"}, "l", "stop"},
      {{"lo", "world"}, "l", "stop"},
      {{"lo wx", "orl"}, "llo w", "stop"},  // what looked like the first is given back
      {{"worlds", "lx"}, "llo world", "stop"},
      {{""}, "llo world", "stop"},
      {{"o world and more"}, "llo world", "stop"},
  };
  for (const auto& c : cases) {
    const Generation g = run({0}, with_stops(c.stops));
    EXPECT_EQ(g.text, c.text) << c.stops[0];
    EXPECT_EQ(g.finish_reason, c.reason);
  }
  // What may still become a stop string is held back, the rest is not.
  run({0}, with_stops({"o word"}));
  EXPECT_EQ(pieces_, (std::vector<std::string>{"ll", "o world"}));
  run({0}, with_stops({"lly"}));
  EXPECT_EQ(pieces_, (std::vector<std::string>{"llo w", "or", "ld"}));
}

TEST_F(Generate, TextHeldBackComesOutAtTheEnd) {
  open(hello());
  const Generation g = run({0}, with_stops({"o w or"}, 2));
  EXPECT_EQ(g.text, "llo w");
  EXPECT_EQ(g.finish_reason, "length");
}

TEST_F(Generate, AFullContext) {
  open(hello());
  // Positions 0 to 5 hold the prompt of two and four new tokens; a fifth is known but has no room.
  const Generation g = run({6, 6}, {}, 6);
  EXPECT_EQ(g.ids, (std::vector<int32_t>{6, 6, 6, 6, 6}));
  EXPECT_EQ(g.finish_reason, "context");
  const Generation full = run({6, 6, 6, 6, 6, 6}, {}, 6);
  EXPECT_EQ(full.ids.size(), 1u);
  EXPECT_EQ(full.finish_reason, "context");

  Session session(*engine_, 6);
  const std::vector<int32_t> seven(7, 6), four(4, 6);
  const auto wrong = session.generate(seven, {});
  ASSERT_FALSE(wrong.ok());
  EXPECT_NE(wrong.message().find("7 tokens"), std::string::npos) << wrong.message();
  EXPECT_NE(wrong.message().find("room for 6"), std::string::npos) << wrong.message();
  EXPECT_EQ(session.length(), 0);
  ASSERT_TRUE(session.generate(four, with_stops({}, 1)).ok());
  EXPECT_EQ(session.length(), 5);
  EXPECT_FALSE(session.generate(four, {}).ok());
  EXPECT_EQ(session.length(), 5);
}

TEST_F(Generate, AnEmptyPromptIsAnError) {
  open(hello());
  Session session(*engine_, 8);
  const auto result = session.generate({}, {});
  ASSERT_FALSE(result.ok());
  EXPECT_NE(result.message().find("empty"), std::string::npos) << result.message();
}

TEST_F(Generate, IdsOutsideTheVocabularyAreAnError) {
  open(hello());
  Session session(*engine_, 8);
  for (const int32_t id : {-1, 7}) EXPECT_FALSE(session.generate(std::vector<int32_t>{0, id}, {}).ok());
  EXPECT_EQ(session.length(), 0);
}

TEST_F(Generate, Cancelled) {
  open(hello());
  std::atomic<bool> cancel{false};
  GenerateOptions options;
  options.cancel = &cancel;
  Session session(*engine_, 64);
  int pieces = 0;
  const auto result =
      session.generate(std::vector<int32_t>{6}, options, [&](std::string_view) { cancel = ++pieces == 3; });
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->finish_reason, "cancelled");
  EXPECT_EQ(result->text, "aaa");
}

// A prompt of 400 tokens: Ctrl-C comes while its second piece is read.
TEST_F(Generate, CancelledWhileReadingThePrompt) {
  open(hello());
  std::atomic<bool> cancel{false};
  std::vector<double> seen;
  GenerateOptions options;
  options.cancel = &cancel;
  options.max_tokens = 1;
  options.progress = [&](std::string_view stage, double done, double total) {
    EXPECT_EQ(stage, "reading the prompt");
    EXPECT_EQ(total, 400.0);
    seen.push_back(done);
    cancel = seen.size() == 2;
  };
  Session session(*engine_, 1000);
  const std::vector<int32_t> prompt(400, 6);
  const auto result = session.generate(prompt, options);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->finish_reason, "cancelled");
  EXPECT_EQ(result->prompt_tokens, 256);
  EXPECT_EQ(session.length(), 256);
  EXPECT_TRUE(result->ids.empty());
  cancel = false;
  options.progress = {};
  const auto rest = session.generate(std::span(prompt).subspan(256), options);
  ASSERT_TRUE(rest.ok());
  EXPECT_EQ(session.length(), 401);
}

TEST_F(Generate, ProgressEndsBeforeTheText) {
  open(hello());
  std::vector<double> seen;
  GenerateOptions options;
  options.progress = [&](std::string_view, double done, double) { seen.push_back(done); };
  Session session(*engine_, 200);
  std::vector<int32_t> prompt(150, 6);
  prompt.back() = 0;
  ASSERT_TRUE(session.generate(prompt, options, [&](std::string_view) { EXPECT_EQ(seen.back(), 150.0); }).ok());
  EXPECT_EQ(seen, (std::vector<double>{0.0, 128.0, 150.0}));
}

// Rows of the embedding beyond the tokens are padding, however likely they look.
TEST_F(Generate, PaddingIsNeverSampled) {
  TableModel model = hello();
  model.named = 6;
  for (auto& row : model.logits) row[6] = 20.0f;
  open(model);
  EXPECT_EQ(run({0}, {}).text, "llo world");
  GenerateOptions options = with_stops({}, 5);
  options.sampling.temperature = 4.0;
  for (options.sampling.seed = 0; options.sampling.seed < 20; ++options.sampling.seed) {
    for (const int32_t id : run({0}, options).ids) EXPECT_LT(id, 6);
  }
  EXPECT_EQ(engine_->tokenizer->token_bytes(6), "");
  EXPECT_EQ(engine_->tokenizer->decode(std::vector<int32_t>{0, 6, 1, -1}, true), "hell");
  EXPECT_EQ(text::StreamDecoder(*engine_->tokenizer).push(6), "");
}

TEST_F(Generate, MoreTokensThanRowsAreAnError) {
  TableModel model = hello();
  test::write_table_model(folder_ / "model.safetensors", model, 5);
  const auto engine = Engine::open(folder_ / "model.safetensors", {});
  ASSERT_FALSE(engine.ok());
  EXPECT_NE(engine.message().find("model.safetensors: the tokenizer has 7 tokens, but the embedding only 5 rows"),
            std::string::npos)
      << engine.message();
}

TEST_F(Generate, LogitsThatAreNoNumbersAreAnError) {
  TableModel model = hello();
  model.logits[2][3] = NAN;  // times zero, after the first token already
  open(model);
  Session session(*engine_, 64);
  const auto result = session.generate(std::vector<int32_t>{0}, {});
  ASSERT_FALSE(result.ok());
  EXPECT_NE(result.message().find("model.safetensors: after 1 tokens the model's logits"), std::string::npos)
      << result.message();
}

// é arrives in two tokens; a lone first byte at the end becomes U+FFFD.
TEST_F(Generate, CharactersAcrossTokens) {
  open({{"a", "\xC3", "\xA9", "<|im_end|>"}, test::chain({1, 2, 3, 0}), false, -1, 3});
  const Generation g = run({0}, {});
  EXPECT_EQ(g.text, "\xC3\xA9");
  EXPECT_EQ(pieces_.size(), 1u);
  EXPECT_EQ(run({0}, with_stops({}, 1)).text, "\xEF\xBF\xBD");
  EXPECT_EQ(run({0}, with_stops({"\xC3\xA9"})).text, "");
}

// The token that completes a stop string may begin a character: nothing comes after a stop string.
TEST_F(Generate, NothingFollowsAStopString) {
  open({{"a", "bc\xC3", "\xA9", "<|im_end|>"}, test::chain({1, 2, 3, 0}), false, -1, 3});
  const Generation g = run({0}, with_stops({"c"}));
  EXPECT_EQ(g.text, "b");
  EXPECT_EQ(g.finish_reason, "stop");
}

TEST_F(Generate, TheSeedDecidesTheText) {
  TableModel model{{"a", "b", "c", "d", "e", "f", "g", "h"}, {}, false, -1, -1};
  model.logits.assign(8, std::vector<float>(8, 0.0f));
  open(model);
  GenerateOptions options = with_stops({}, 40);
  options.sampling.temperature = 1.0;
  options.sampling.seed = 5;
  const std::string first = run({0}, options).text, again = run({0}, options).text;
  options.sampling.seed = 6;
  EXPECT_EQ(first, again);
  EXPECT_NE(first, run({0}, options).text);
}

}  // namespace
}  // namespace lowbit::runtime

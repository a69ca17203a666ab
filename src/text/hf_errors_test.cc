// Foreign tokenizer.json: every damage is a sentence that names the file, the key, what was found and what was
// expected.
#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "text/tokenizer.h"

namespace lowbit::text {
namespace {

using nlohmann::json;

json small() {
  return json::parse(R"({
    "added_tokens": [{"id": 4, "content": "<s>", "special": true}, {"id": 6, "content": "<u>"}],
    "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Lowercase"}]},
    "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "\\s+"}, "behavior": "Removed", "invert": false},
    "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}],
                       "special_tokens": {"<s>": {"ids": [4]}}},
    "decoder": {"type": "Strip", "content": "x", "start": 1, "stop": 0},
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "aba": 3, "<s>": 4}, "merges": ["a b", ["ab", "a"]]}
  })");
}

TEST(HfErrors, TheSmallOneWorks) {
  const auto tokenizer = Tokenizer::from_json(small().dump(), "t.json");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.message();
  EXPECT_EQ(tokenizer->size(), 7);
  EXPECT_TRUE(tokenizer->adds_bos());
  EXPECT_EQ(tokenizer->bos(), 4);
  EXPECT_EQ(tokenizer->encode("ABA ab<u>b"), (std::vector<int32_t>{3, 2, 6, 1}));
  EXPECT_EQ(tokenizer->encode("<s>a"), (std::vector<int32_t>{0}));  // no text spells a control token
  EXPECT_EQ(tokenizer->encode("<s>a", {.parse_control = true, .add_bos = true}), (std::vector<int32_t>{4, 4, 0}));
  uint64_t lost = 0;
  EXPECT_EQ(tokenizer->encode("a? ? a?", {.lost_bytes = &lost}), (std::vector<int32_t>{0, 0}));
  EXPECT_EQ(lost, 3u);
  EXPECT_TRUE(tokenizer->is_control(4));
  EXPECT_FALSE(tokenizer->is_control(6));
  EXPECT_EQ(tokenizer->token_bytes(5), "");  // an id between that no token has
}

struct Damage {
  const char* name;
  std::function<void(json&)> apply;
  const char* message;
};

TEST(HfErrors, EveryDamageNamesTheKey) {
  const Damage damages[] = {
      {"array", [](json& j) { j = json::array(); }, "the document is an array of 0 items, expected an object"},
      {"no model", [](json& j) { j.erase("model"); }, "\"model\" is absent"},
      {"model type", [](json& j) { j["model"]["type"] = "CTC"; },
       "\"model.type\" is the string \"CTC\", expected one of BPE, Unigram, WordPiece, WordLevel"},
      {"vocab", [](json& j) { j["model"]["vocab"] = 3; }, "\"model.vocab\" is 3, expected an object"},
      {"vocab id", [](json& j) { j["model"]["vocab"]["a"] = -1; },
       "\"model.vocab.\"a\"\" is -1, expected an integer from 0 to 16777215"},
      {"large id", [](json& j) { j["added_tokens"][0]["id"] = 1u << 30; },
       "\"added_tokens[0].id\" is 1073741824, expected an integer from 0 to 16777215"},
      {"merge", [](json& j) { j["model"]["merges"][0] = "ab"; },
       "\"model.merges[0]\" is the string \"ab\", expected two strings with one blank between"},
      {"merge token", [](json& j) { j["model"]["merges"][1] = {"b", "b"}; },
       "\"model.merges[1]\" is an array of 2 items, expected tokens of \"model.vocab\""},
      {"normalizer", [](json& j) { j["normalizer"]["normalizers"][1]["type"] = "Shout"; },
       "\"normalizer.normalizers[1].type\" is the string \"Shout\", expected one of Sequence, NFC"},
      {"pre-tokenizer", [](json& j) { j["pre_tokenizer"]["type"] = 1; },
       "\"pre_tokenizer.type\" is 1, expected a string"},
      {"behavior", [](json& j) { j["pre_tokenizer"]["behavior"] = "Melt"; }, "expected one of Removed, Isolated"},
      {"regex", [](json& j) { j["pre_tokenizer"]["pattern"]["Regex"] = "(a"; },
       "\"pre_tokenizer.pattern.Regex\" does not work: the pattern does not compile"},
      {"set", [](json& j) { j["pre_tokenizer"]["pattern"]["Regex"] = "[a"; }, "has no end"},
      {"post", [](json& j) { j["post_processor"]["special_tokens"]["<s>"]["ids"][0] = 7; },
       "\"post_processor.special_tokens.<s>.ids[0]\" is 7, expected an integer from 0 to 6"},
      {"decoder", [](json& j) { j["decoder"]["type"] = "CTC"; },
       "\"decoder.type\" is the string \"CTC\", expected one of"},
      {"map", [](json& j) { j["normalizer"] = {{"type", "Precompiled"}, {"precompiled_charsmap", "//////8="}}; },
       "\"normalizer.precompiled_charsmap\" does not fit"},
      {"no tokens",
       [](json& j) {
         j["model"] = {{"type", "WordLevel"}, {"vocab", json::object()}};
         j["added_tokens"] = json::array();
       },
       "has no tokens"},
  };
  for (const Damage& damage : damages) {
    json j = small();
    damage.apply(j);
    const auto tokenizer = Tokenizer::from_json(j.dump(), "t.json");
    ASSERT_FALSE(tokenizer.ok()) << damage.name;
    EXPECT_EQ(tokenizer.message().rfind("t.json: ", 0), 0u) << tokenizer.message();
    EXPECT_NE(tokenizer.message().find(damage.message), std::string::npos)
        << damage.name << ": " << tokenizer.message();
  }
}

TEST(HfErrors, NoJson) {
  EXPECT_EQ(Tokenizer::from_json("{\"a\": ", "t.json").message().rfind("t.json: is no JSON (at byte ", 0), 0u);
  EXPECT_EQ(Tokenizer::from_json(std::string(100000, '['), "t.json").message(),
            "t.json: is nested 100000 deep, expected at most 64");
}

}  // namespace
}  // namespace lowbit::text

#include "text/tokenizer.h"

#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>

#include "text/test_vocabulary.h"
#include "text/utf8.h"

namespace lowbit::text {
namespace {

using nlohmann::json;
using Ids = std::vector<int32_t>;

Tokenizer make(const json& metadata) {
  auto tokenizer = Tokenizer::from_metadata(metadata, "test");
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.message();
  return *std::move(tokenizer);
}

// 256 "he", 257 "ll", 258 "hell", 259 " w", 260 "<|"
const Pairs kMerges = {{"h", "e"}, {"l", "l"}, {"he", "ll"}, {" ", "w"}, {"<", "|"}};

json small_metadata() {
  // 261 and upwards: control, control, user-defined twice, unknown, unused, normal.
  json metadata = test_metadata(
      kMerges, {{"<|", 3}, {"<|end|>", 3}, {"<u>", 4}, {"<u>\n", 4}, {"<unk>", 2}, {"", 5}, {"<s>", 1}});
  metadata["tokenizer.ggml.bos_token_id"] = 267;
  metadata["tokenizer.ggml.eos_token_id"] = 262;
  return metadata;
}

TEST(Tokenizer, MergesInTheOrderOfTheirRanks) {
  const Tokenizer tokenizer = make(small_metadata());
  EXPECT_EQ(tokenizer.encode("hello we"), (Ids{258, 'o', 259, 'e'}));
  EXPECT_EQ(tokenizer.encode("llll"), (Ids{257, 257}));
  EXPECT_EQ(tokenizer.encode("lllh"), (Ids{257, 'l', 'h'}));
  EXPECT_EQ(tokenizer.encode(""), Ids{});
  EXPECT_EQ(tokenizer.size(), 268);
}

// The lowest rank first, the leftmost of equals, by looking at every pair again after every merge.
Ids naive_merge(const std::string& piece, const Pairs& merges) {
  std::vector<std::string> symbols;
  for (const char c : piece) symbols.emplace_back(1, c);
  while (true) {
    size_t best = merges.size(), where = 0;
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
      const auto pair = std::make_pair(symbols[i], symbols[i + 1]);
      const size_t rank = std::find(merges.begin(), merges.end(), pair) - merges.begin();
      if (rank < best) best = rank, where = i;
    }
    if (best == merges.size()) break;
    symbols[where] += symbols[where + 1];
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(where) + 1);
  }
  Ids ids;
  for (const std::string& symbol : symbols) {
    if (symbol.size() == 1) {
      ids.push_back(static_cast<uint8_t>(symbol[0]));
      continue;
    }
    // Of several merges that make one string, the first gives it its token.
    const auto made = std::find_if(merges.begin(), merges.end(),
                                   [&](const auto& merge) { return merge.first + merge.second == symbol; });
    ids.push_back(static_cast<int32_t>(256 + (made - merges.begin())));
  }
  return ids;
}

TEST(Tokenizer, AgreesWithTheNaiveMergerOnRandomVocabularies) {
  std::mt19937 random(7);
  for (int round = 0; round < 30; ++round) {
    // Merges in any order of dependence, in a later one's favour too: shuffled after they were made.
    std::vector<std::string> symbols = {"a", "b", "c", "\xC3", "\xA9"};
    Pairs merges;
    for (int i = 0; i < 25; ++i) {
      const auto pair = std::make_pair(symbols[random() % symbols.size()], symbols[random() % symbols.size()]);
      if (pair.first.size() + pair.second.size() > 12 ||
          std::find(merges.begin(), merges.end(), pair) != merges.end()) {
        continue;
      }
      merges.push_back(pair);
      symbols.push_back(pair.first + pair.second);
    }
    if (round % 2 == 1) std::shuffle(merges.begin(), merges.end(), random);
    const Tokenizer tokenizer = make(test_metadata(merges, {}));
    for (int i = 0; i < 100; ++i) {
      std::string text;
      const char* const letters[] = {"a", "b", "c", "\xC3\xA9"};
      for (uint32_t n = random() % 60; n > 0; --n) text += letters[random() % 4];
      ASSERT_EQ(tokenizer.encode(text), naive_merge(text, merges)) << "round " << round << ": " << text;
    }
  }
}

TEST(Tokenizer, ControlTokensOnlyWhereAskedFor) {
  const Tokenizer tokenizer = make(small_metadata());
  const EncodeOptions parse{.parse_control = true};
  EXPECT_EQ(tokenizer.encode("a<|end|>b", parse), (Ids{'a', 262, 'b'}));
  EXPECT_EQ(tokenizer.encode("a<|end|>b"), (Ids{'a', 260, 'e', 'n', 'd', '|', '>', 'b'}));
  EXPECT_EQ(tokenizer.encode("<unk>", parse), (Ids{265}));
  // The merge of < and | spells the normal token, never the control token of the same name.
  EXPECT_EQ(tokenizer.encode("<|"), (Ids{260}));
  EXPECT_EQ(tokenizer.encode("<|", parse), (Ids{261}));
  for (const int32_t id : tokenizer.encode("<| <|end|> <unk> <s>")) EXPECT_FALSE(tokenizer.is_control(id));
}

TEST(Tokenizer, UserDefinedTokensAlwaysAndTheLongestFirst) {
  const Tokenizer tokenizer = make(small_metadata());
  EXPECT_EQ(tokenizer.encode("a<u>b"), (Ids{'a', 263, 'b'}));
  EXPECT_EQ(tokenizer.encode("<u>\n<u>"), (Ids{264, 263}));
  EXPECT_EQ(tokenizer.encode("<u"), (Ids{'<', 'u'}));
}

TEST(Tokenizer, BosEosAndEndOfTurn) {
  json metadata = small_metadata();
  Tokenizer tokenizer = make(metadata);
  EXPECT_EQ(tokenizer.bos(), 267);
  EXPECT_EQ(tokenizer.eos(), 262);
  EXPECT_FALSE(tokenizer.adds_bos());
  EXPECT_EQ(tokenizer.encode("a", {.add_bos = true}), (Ids{267, 'a'}));
  EXPECT_EQ(tokenizer.encode("", {.add_bos = true}), (Ids{267}));
  EXPECT_TRUE(tokenizer.is_control(267));  // the file calls it normal
  EXPECT_FALSE(tokenizer.is_control(263));
  EXPECT_EQ(Ids(tokenizer.end_of_turn().begin(), tokenizer.end_of_turn().end()), (Ids{262}));
  metadata["tokenizer.ggml.add_bos_token"] = true;
  metadata["tokenizer.ggml.eos_token_id"] = 5;
  metadata["tokenizer.ggml.eot_token_id"] = 261;
  tokenizer = make(metadata);
  EXPECT_TRUE(tokenizer.adds_bos());
  EXPECT_EQ(Ids(tokenizer.end_of_turn().begin(), tokenizer.end_of_turn().end()), (Ids{5, 261, 262}));
  metadata.erase("tokenizer.ggml.bos_token_id");
  metadata.erase("tokenizer.ggml.add_bos_token");
  tokenizer = make(metadata);
  EXPECT_EQ(tokenizer.bos(), -1);
  EXPECT_EQ(tokenizer.encode("a", {.add_bos = true}), (Ids{'a'}));
}

TEST(Tokenizer, EndOfTurnByNameIsControlWhereTheFileSaysUserDefined) {
  json metadata = test_metadata({}, {{"<|im_end|>", 4}, {"</s>", 1}});
  metadata["tokenizer.ggml.eos_token_id"] = '!';
  const Tokenizer tokenizer = make(metadata);
  // "</s>" of type normal is a word; an EOS of one character stays encodable.
  EXPECT_EQ(Ids(tokenizer.end_of_turn().begin(), tokenizer.end_of_turn().end()), (Ids{'!', 256}));
  EXPECT_EQ(tokenizer.encode("!<|im_end|>").size(), 11u);
  EXPECT_EQ(tokenizer.encode("!<|im_end|>", {.parse_control = true}), (Ids{'!', 256}));
}

TEST(Tokenizer, AnyBytesComeBack) {
  const Tokenizer tokenizer = make(small_metadata());
  std::mt19937 random(3);
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    for (uint32_t n = random() % 50; n > 0; --n) {
      // Often the beginnings of characters and their tails, so that they meet in all ways.
      const uint32_t kind = random() % 4;
      text += static_cast<char>(kind == 0   ? random() % 256
                                : kind == 1 ? 0xC0 + random() % 64
                                : kind == 2 ? 0x80 + random() % 64
                                            : 0x20 + random() % 96);
    }
    uint64_t lost = 99;
    ASSERT_EQ(tokenizer.decode(tokenizer.encode(text, {.lost_bytes = &lost})), text);
    ASSERT_EQ(lost, 0u);
  }
}

TEST(Tokenizer, DecodeLeavesControlTokensOut) {
  const Tokenizer tokenizer = make(small_metadata());
  const Ids ids = {'a', 262, 263, 265, 'b'};
  EXPECT_EQ(tokenizer.decode(ids), "a<u>b");
  EXPECT_EQ(tokenizer.decode(ids, true), "a<|end|><u><unk>b");
  EXPECT_EQ(tokenizer.token_bytes(262), "<|end|>");
  EXPECT_EQ(tokenizer.token_bytes(0xFF), "\xFF");
  EXPECT_EQ(tokenizer.token_bytes(259), " w");
}

TEST(Tokenizer, BytesWithoutATokenAreCounted) {
  json metadata = small_metadata();
  metadata["tokenizer.ggml.tokens"][4] = "no byte 4";
  uint64_t lost = 0;
  EXPECT_EQ(make(metadata).encode("h\4e\4", {.lost_bytes = &lost}), (Ids{'h', 'e'}));
  EXPECT_EQ(lost, 2u);
  // A token outside the byte alphabet stands for its own text.
  EXPECT_EQ(make(metadata).token_bytes(4), "no byte 4");
  metadata["tokenizer.ggml.unknown_token_id"] = 265;
  EXPECT_EQ(make(metadata).encode("h\4e"), (Ids{'h', 265, 'e'}));
  // A control token named as the unknown one must not appear in a text.
  metadata["tokenizer.ggml.unknown_token_id"] = 262;
  EXPECT_EQ(make(metadata).encode("h\4e"), (Ids{'h', 'e'}));
}

TEST(Tokenizer, AMergeWithoutATokenFallsBackToBytes) {
  json metadata = small_metadata();
  metadata["tokenizer.ggml.token_type"][258] = 5;  // "hell" unused
  EXPECT_EQ(make(metadata).encode("hello"), (Ids{'h', 'e', 'l', 'l', 'o'}));
  metadata["tokenizer.ggml.token_type"][256] = 5;  // and "he", on the way to "hell"
  metadata["tokenizer.ggml.token_type"][258] = 1;
  EXPECT_EQ(make(metadata).encode("hello"), (Ids{258, 'o'}));
}

TEST(Tokenizer, LongTextsInBoundedTime) {
  const Tokenizer tokenizer =
      make(test_metadata({{"a", "a"}, {"aa", "aa"}, {" ", " "}, {"aaaa", "aa"}}, {{"<|a|>", 3}, {"<<<<<<<<b", 4}}));
  const size_t size = 1 << 20;
  std::string mixed, broken;
  for (size_t i = 0; mixed.size() < size; ++i) mixed += "word " + std::to_string(i * 7919) + "\n\xE6\xBC\xA2'll";
  for (size_t i = 0; broken.size() < size; ++i) broken += i % 2 == 0 ? "\xF0\x9F" : "a";
  for (const std::string& text : {std::string(size, 'a'), std::string(size, ' '), std::string(size, '<'),
                                  std::string(size, '7'), std::string(size, '\xFF'), mixed, broken}) {
    const Ids ids = tokenizer.encode(text, {.parse_control = true});
    // Quadratic work here would take hours.
    EXPECT_EQ(tokenizer.decode(ids), text);
  }
}

TEST(Tokenizer, ManyThreadsMayEncodeAtOnce) {
  const Tokenizer tokenizer = make(small_metadata());
  std::string text;
  for (int i = 0; i < 3000; ++i) text += "hello we " + std::to_string(i);
  const Ids expected = tokenizer.encode(text);
  std::vector<Ids> found(4);
  std::vector<std::thread> threads;
  for (Ids& ids : found) threads.emplace_back([&] { ids = tokenizer.encode(text); });
  for (std::thread& thread : threads) thread.join();
  for (const Ids& ids : found) EXPECT_EQ(ids, expected);
}

TEST(StreamDecoder, NeverSplitsACharacter) {
  const Tokenizer tokenizer = make(small_metadata());
  const std::string text = "a\xC3\xA9\xE6\xBC\xA2\xF0\x9F\xA6\x99!";
  StreamDecoder stream(tokenizer);
  std::vector<std::string> parts;
  for (const char c : text) {
    const std::string part = stream.push(static_cast<uint8_t>(c));
    if (!part.empty()) parts.push_back(part);
  }
  EXPECT_EQ(parts, (std::vector<std::string>{"a", "\xC3\xA9", "\xE6\xBC\xA2", "\xF0\x9F\xA6\x99", "!"}));
  EXPECT_EQ(stream.flush(), "");
}

TEST(StreamDecoder, BrokenBytesBecomeReplacementCharacters) {
  const Tokenizer tokenizer = make(small_metadata());
  StreamDecoder stream(tokenizer);
  EXPECT_EQ(stream.push(0xF0), "");
  EXPECT_EQ(stream.push(0x9F), "");
  EXPECT_EQ(stream.push('x'), "\xEF\xBF\xBDx");
  EXPECT_EQ(stream.push(0xE6), "");
  EXPECT_EQ(stream.push(262), "");  // a control token says nothing
  EXPECT_EQ(stream.flush(), "\xEF\xBF\xBD");
  EXPECT_EQ(stream.flush(), "");
  StreamDecoder with_control(tokenizer, true);
  EXPECT_EQ(with_control.push(262), "<|end|>");
}

TEST(StreamDecoder, AgreesWithRepairOfTheWhole) {
  const Tokenizer tokenizer = make(small_metadata());
  std::mt19937 random(11);
  const uint8_t bytes[] = {'a', 0x80, 0x9F, 0xA6, 0xBF, 0xC3, 0xE0, 0xED, 0xF0, 0xF4, 0xFF};
  for (int round = 0; round < 2000; ++round) {
    StreamDecoder stream(tokenizer);
    std::string whole, streamed;
    for (int i = 0; i < 12; ++i) {
      const uint8_t byte = bytes[random() % std::size(bytes)];
      whole += static_cast<char>(byte);
      const std::string part = stream.push(byte);
      ASSERT_EQ(repair_utf8(part), part);
      streamed += part;
    }
    ASSERT_EQ(streamed + stream.flush(), repair_utf8(whole));
  }
}

struct Damage {
  const char* name;
  std::function<void(json&)> apply;
  const char* message;  // part of the error
};

TEST(Metadata, EveryDamageIsAnErrorThatNamesTheKey) {
  const std::string k = "tokenizer.ggml.";
  const Damage damages[] = {
      {"no object", [](json& m) { m = json::array(); }, "the metadata is an array"},
      {"no model", [&](json& m) { m.erase(k + "model"); }, "model\" is absent"},
      {"null model", [&](json& m) { m[k + "model"] = nullptr; }, "model\" is absent"},
      {"model", [&](json& m) { m[k + "model"] = "bard\n"; },
       "model\" is \"bard\\x0a\", expected one of gpt2, llama, t5, bert"},
      {"model type", [&](json& m) { m[k + "model"] = 3; }, "model\" is 3, expected a string"},
      {"pre", [&](json& m) { m[k + "pre"] = "x"; }, "pre\" is \"x\", expected one of gpt-2, phi-2"},
      {"no tokens", [&](json& m) { m.erase(k + "tokens"); }, "tokens\" is absent"},
      {"empty tokens", [&](json& m) { m[k + "tokens"] = json::array(); }, "tokens\" is empty"},
      {"tokens type", [&](json& m) { m[k + "tokens"] = "abc"; }, "tokens\" is the string \"abc\", expected an array"},
      {"token type", [&](json& m) { m[k + "tokens"][7] = 1.5; }, "tokens\" has 1.5 at index 7, expected a string"},
      {"types", [&](json& m) { m[k + "token_type"].erase(0); }, "token_type\" has 267 items, expected one for each"},
      {"type 0", [&](json& m) { m[k + "token_type"][3] = 0; }, "token_type\" has 0 at index 3"},
      {"type 7", [&](json& m) { m[k + "token_type"][3] = 7u; }, "token_type\" has 7 at index 3"},
      {"type text", [&](json& m) { m[k + "token_type"][3] = "x"; }, "token_type\" has the string \"x\" at index 3"},
      {"no merges", [&](json& m) { m.erase(k + "merges"); }, "merges\" is absent"},
      {"blank", [&](json& m) { m[k + "merges"][1] = "ll"; }, "merges\" has \"ll\" at index 1, expected two strings"},
      {"blanks", [&](json& m) { m[k + "merges"][1] = "l l l"; }, "merges\" has \"l l l\" at index 1"},
      {"left", [&](json& m) { m[k + "merges"][0] = " l"; }, "merges\" has \" l\" at index 0"},
      {"right", [&](json& m) { m[k + "merges"][0] = "l "; }, "merges\" has \"l \" at index 0"},
      {"merge type", [&](json& m) { m[k + "merges"][0] = {1, 2}; }, "merges\" has an array at index 0"},
      {"bos", [&](json& m) { m[k + "bos_token_id"] = 268; }, "bos_token_id\" is 268, expected the id of a token"},
      {"eos", [&](json& m) { m[k + "eos_token_id"] = -1; }, "eos_token_id\" is -1, expected the id of a token"},
      {"eot", [&](json& m) { m[k + "eot_token_id"] = ~0ull; }, "eot_token_id\" is 18446744073709551615"},
      {"unknown", [&](json& m) { m[k + "unknown_token_id"] = "0"; }, "unknown_token_id\" is the string \"0\""},
      {"add_bos", [&](json& m) { m[k + "add_bos_token"] = 1; }, "add_bos_token\" is 1, expected true or false"},
      {"add_bos alone",
       [&](json& m) {
         m[k + "add_bos_token"] = true;
         m.erase(k + "bos_token_id");
       },
       "add_bos_token\" is true, but"},
  };
  for (const Damage& damage : damages) {
    json metadata = small_metadata();
    damage.apply(metadata);
    const auto tokenizer = Tokenizer::from_metadata(metadata, "m.gguf");
    ASSERT_FALSE(tokenizer.ok()) << damage.name;
    EXPECT_EQ(tokenizer.message().rfind("m.gguf: ", 0), 0u) << tokenizer.message();
    EXPECT_NE(tokenizer.message().find(damage.message), std::string::npos)
        << damage.name << ": " << tokenizer.message();
  }
}

TEST(Metadata, WhatMayBeAbsent) {
  json metadata = small_metadata();
  for (const char* key : {"token_type", "pre", "bos_token_id", "eos_token_id"}) {
    metadata.erase(std::string("tokenizer.ggml.") + key);
  }
  const Tokenizer tokenizer = make(metadata);
  EXPECT_EQ(tokenizer.encode("hello", {.parse_control = true}), (Ids{258, 'o'}));
  EXPECT_TRUE(tokenizer.end_of_turn().empty());
}

}  // namespace
}  // namespace lowbit::text

#include "text/sentencepiece_bpe.h"

#include "text/kind_vocabularies.h"

namespace lowbit::text {
namespace {

using Ids = std::vector<int32_t>;

nlohmann::json small() {
  // 3 to 6: "▁", "a", "b", "▁a"; 7 "ab" (better than "▁a"), 8 to 10 bytes, 11 "<s>" spelt by nothing, 12 user-defined
  return metadata_of("llama", {{"<unk>", 0, 2},
                               {"<s>", 0, 3},
                               {"</s>", 0, 3},
                               {"\xE2\x96\x81", -9},
                               {"a", -9},
                               {"b", -9},
                               {"\xE2\x96\x81"
                                "a",
                                -2},
                               {"ab", -1},
                               {"<0xC3>", 0, 6},
                               {"<0xA9>", 0, 6},
                               {"<0x0A>", 0, 6},
                               {"\xE2\x96\x81\xE2\x96\x81", -3},
                               {"<u>", 0, 4}});
}

TEST(SentencePieceBpe, TheHighestScoreMergesFirst) {
  const Tokenizer t = tokenizer_of(small());
  EXPECT_EQ(t.encode("a"), (Ids{6}));
  EXPECT_EQ(t.encode("ab"), (Ids{3, 7}));
  EXPECT_EQ(t.encode(" a"), (Ids{3, 6}));  // the merge with "a" is the better one
  EXPECT_EQ(t.encode(""), Ids{});
  EXPECT_EQ(t.encode("a\xC3\xA9\n"), (Ids{6, 8, 9, 10}));
  EXPECT_EQ(t.encode("a<u>a"), (Ids{6, 12, 6}));  // a space in front again
  EXPECT_EQ(t.encode("a</s>", {.parse_control = true, .add_bos = true}), (Ids{1, 6, 2}));
  EXPECT_TRUE(t.adds_bos());
  EXPECT_FALSE(t.adds_eos());
}

TEST(SentencePieceBpe, DecodingTakesOneSpaceAway) {
  const Tokenizer t = tokenizer_of(small());
  EXPECT_EQ(t.decode(Ids{1, 6, 6}), "a a");
  EXPECT_EQ(t.decode(t.encode("  a")), "  a");
  EXPECT_EQ(t.token_bytes(6), " a");
  StreamDecoder stream(t), later(t, false, true);
  EXPECT_EQ(stream.push(6) + stream.push(8) + stream.push(9), "a\xC3\xA9");
  EXPECT_EQ(later.push(6), " a");
  nlohmann::json metadata = small();
  metadata["tokenizer.ggml.add_space_prefix"] = false;
  const Tokenizer plain = tokenizer_of(metadata);
  EXPECT_EQ(plain.encode("a"), (Ids{4}));
  EXPECT_EQ(plain.decode(Ids{6}), " a");
}

TEST(SentencePieceBpe, WithoutByteTokensACharacterIsUnknown) {
  const Tokenizer t = tokenizer_of(small());
  uint64_t lost = 0;
  EXPECT_EQ(t.encode("a\xE6\xBC\xA2", {.lost_bytes = &lost}), (Ids{6, 0}));
  EXPECT_EQ(lost, 3u);
}

TEST(SentencePieceBpe, ScoresAreNeeded) {
  nlohmann::json metadata = small();
  metadata["tokenizer.ggml.scores"].erase(0);
  EXPECT_EQ(Tokenizer::from_metadata(metadata, "m").message(),
            "m: metadata key \"tokenizer.ggml.scores\" has 12 items, expected one for each of the 13 tokens");
}

}  // namespace
}  // namespace lowbit::text

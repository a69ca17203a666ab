#include "text/unigram.h"

#include "text/kind_vocabularies.h"

namespace lowbit::text {
namespace {

using Ids = std::vector<int32_t>;

nlohmann::json small() {
  auto out = metadata_of("t5", {{"<pad>", 0, 3},
                                {"</s>", 0, 3},
                                {"<unk>", 0, 2},
                                {"\xE2\x96\x81", -3},
                                {"a", -3},
                                {"b", -3},
                                {"ab", -5},
                                {"\xE2\x96\x81"
                                 "a",
                                 -5},
                                {"bb", -1}});
  out["tokenizer.ggml.add_space_prefix"] = true;
  out["tokenizer.ggml.remove_extra_whitespaces"] = true;
  return out;
}

TEST(Unigram, TheBestSumWins) {
  const Tokenizer t = tokenizer_of(small());
  EXPECT_EQ(t.encode("ab"), (Ids{3, 6}));   // -3-5; of equals the first that is met: [7, 5] sums to the same
  EXPECT_EQ(t.encode("abb"), (Ids{7, 8}));  // -5-1, against -3-5-3
  EXPECT_EQ(t.encode("  a   b "), (Ids{7, 3, 5}));
  EXPECT_EQ(t.encode(""), Ids{});
  EXPECT_EQ(t.encode("a", {.add_bos = true, .add_eos = true}), (Ids{7, 1}));
  EXPECT_FALSE(t.adds_bos());
  EXPECT_TRUE(t.adds_eos());
  EXPECT_EQ(t.decode(Ids{7, 3, 5}), "a b");
}

TEST(Unigram, UnknownCharactersInARowAreOne) {
  const Tokenizer t = tokenizer_of(small());
  uint64_t lost = 0;
  EXPECT_EQ(t.encode("axyb", {.lost_bytes = &lost}), (Ids{7, 2, 5}));
  EXPECT_EQ(lost, 2u);
  EXPECT_EQ(t.encode("\xFF"), (Ids{3, 2}));
}

TEST(Unigram, AMapThatDoesNotFitIsSaid) {
  nlohmann::json metadata = small();
  metadata["tokenizer.ggml.precompiled_charsmap"] = {255, 255, 0, 0, 1};
  EXPECT_EQ(
      Tokenizer::from_metadata(metadata, "m").message(),
      "m: metadata key \"tokenizer.ggml.precompiled_charsmap\" does not fit: the map of characters has a trie of "
      "65535 bytes, expected a multiple of 4 up to 1");
}

}  // namespace
}  // namespace lowbit::text

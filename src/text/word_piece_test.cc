#include "text/word_piece.h"

#include "text/bert_text.h"
#include "text/kind_vocabularies.h"

namespace lowbit::text {
namespace {

using Ids = std::vector<int32_t>;

#define LOWBIT_MARK "\xE2\x96\x81"

Tokenizer small() {
  auto metadata = metadata_of("bert", {{"[PAD]", 0, 3},
                                       {"[UNK]", 0, 2},
                                       {"[CLS]", 0, 3},
                                       {"[SEP]", 0, 3},
                                       {LOWBIT_MARK "un"},
                                       {LOWBIT_MARK "una"},
                                       {"able"},
                                       {"ble"},
                                       {LOWBIT_MARK "."},
                                       {LOWBIT_MARK "cafe"},
                                       {LOWBIT_MARK "\xE4\xBD\xA0"}});
  metadata["tokenizer.ggml.bos_token_id"] = 2;
  metadata["tokenizer.ggml.seperator_token_id"] = 3;
  metadata["tokenizer.ggml.unknown_token_id"] = 1;
  return tokenizer_of(metadata);
}

TEST(WordPiece, TheLongestFromTheLeft) {
  const Tokenizer t = small();
  EXPECT_EQ(t.encode("unable"), (Ids{5, 7}));
  EXPECT_EQ(t.encode("un able."), (Ids{4, 1, 8}));
  EXPECT_EQ(t.encode("CAF\xC3\x89 cafe\xCC\x81"), (Ids{9, 9}));
  EXPECT_EQ(t.encode("\xE4\xBD\xA0\xE4\xBD\xA0"), (Ids{10, 10}));
  EXPECT_EQ(t.encode("u\x01n\xC2\xAD"), (Ids{4}));
  EXPECT_EQ(t.encode(std::string(101, 'u')), (Ids{1}));
  EXPECT_TRUE(t.adds_bos() && t.adds_eos());
  EXPECT_EQ(t.encode("un", {.add_bos = true, .add_eos = true}), (Ids{2, 4, 3}));
}

TEST(WordPiece, Decoding) { EXPECT_EQ(small().decode(Ids{2, 5, 7, 4, 8, 3}), "unable un."); }

TEST(BertText, WordsAndMarks) {
  EXPECT_EQ(bert_words(" a,b  c! "), (std::vector<std::string_view>{"a", ",", "b", "c", "!"}));
  EXPECT_EQ(bert_normalize("\xC3\x89", {.lower_case = false}), "E");
  EXPECT_EQ(bert_normalize("\xC3\x89", {.strip_accents = false}), "\xC3\xA9");
  EXPECT_EQ(bert_clean_up(" ."), ".");
}

}  // namespace
}  // namespace lowbit::text

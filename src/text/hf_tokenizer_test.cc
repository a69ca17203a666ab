// tokenizer.json of every kind against what the tokenizers package makes of the same texts
// (goldens/make_tokenizers.py).
#include "text/hf_tokenizer.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

namespace lowbit::text {
namespace {

using nlohmann::json;
using Ids = std::vector<int32_t>;

// LOWBIT_TOKENIZERS names a folder of larger ones.
std::filesystem::path folder() {
  const char* named = std::getenv("LOWBIT_TOKENIZERS");
  return named != nullptr ? named : "goldens/tokenizers";
}

std::string contents(const std::filesystem::path& path) {
  auto text = read_text_file(path.string(), int64_t{1} << 30);
  EXPECT_TRUE(text.ok()) << path;
  return text.ok() ? *text : std::string();
}

class HfGoldens : public testing::TestWithParam<const char*> {};

TEST_P(HfGoldens, IdsAndTextsAreThoseOfThePackage) {
  const std::string name = GetParam();
  const auto tokenizer = Tokenizer::from_json(contents(folder() / (name + ".json")), name);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.message();
  const json texts = json::parse(contents(folder() / "texts.json"));
  const json golden = json::parse(contents(folder() / (name + ".ids.json")));
  ASSERT_EQ(texts.size(), golden["plain"].size());
  size_t different = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto text = texts[i].get<std::string>();
    const auto expected = golden["plain"][i].get<Ids>();
    const auto found = tokenizer->encode(text, {.parse_control = true});
    if (found != expected && ++different <= 5) {
      EXPECT_EQ(found, expected) << name << ", text " << i << ": " << texts[i].dump().substr(0, 400);
    }
    EXPECT_EQ(repair_utf8(tokenizer->decode(expected)), golden["text"][i].get<std::string>())
        << name << ", text " << i;
    StreamDecoder stream(*tokenizer);
    std::string streamed;
    for (const int32_t id : expected) streamed += stream.push(id);
    EXPECT_EQ(streamed + stream.flush(), repair_utf8(tokenizer->decode(expected)));
  }
  EXPECT_EQ(different, 0u) << name << ": of " << texts.size();
  for (size_t i = 0; i < golden["around"].size(); ++i) {
    const EncodeOptions options{true, tokenizer->adds_bos(), nullptr, tokenizer->adds_eos()};
    EXPECT_EQ(tokenizer->encode(texts[i].get<std::string>(), options), golden["around"][i].get<Ids>()) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, HfGoldens,
                         testing::Values("bpe-gpt2", "bpe-llama3", "bpe-qwen2", "bpe-tekken", "bpe-smollm",
                                         "bpe-falcon", "bpe-roberta", "spm-prepend", "spm-gemma", "spm-first",
                                         "unigram-map", "unigram-bytes", "wordpiece-uncased", "wordpiece-cased",
                                         "wordlevel", "odd-1", "odd-2", "odd-3"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace lowbit::text

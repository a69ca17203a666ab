// Published vocabularies with their published vectors: FILE.gguf, FILE.gguf.inp (texts with a line between them),
// FILE.gguf.out (a line of ids for each text). The oracle behind the ids is each model's original tokenizer.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/file.h"
#include "text/tokenizer.h"

namespace lowbit::text {
namespace {

// LOWBIT_VOCABULARIES names another folder of such files.
std::filesystem::path folder() {
  const char* named = std::getenv("LOWBIT_VOCABULARIES");
  return named != nullptr ? named : "../shared/data/vocab";
}

// Reads the metadata of a GGUF file that is known to be sound: strings, numbers, booleans and arrays of them.
class GgufMetadata {
 public:
  static nlohmann::json read(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::stringstream all;
    all << file.rdbuf();
    GgufMetadata reader(all.str());
    reader.at_ = 4 + 4 + 8;  // magic, version, tensors
    const uint64_t keys = reader.number<uint64_t>();
    nlohmann::json out = nlohmann::json::object();
    for (uint64_t i = 0; i < keys; ++i) {
      const std::string key = reader.string();
      out[key] = reader.value(reader.number<uint32_t>());
    }
    return out;
  }

 private:
  explicit GgufMetadata(std::string bytes) : bytes_(std::move(bytes)) {}

  template <class T>
  T number() {
    T out{};
    std::memcpy(&out, bytes_.data() + at_, sizeof(T));
    at_ += sizeof(T);
    return out;
  }

  std::string string() {
    const uint64_t size = number<uint64_t>();
    at_ += size;
    return bytes_.substr(at_ - size, size);
  }

  nlohmann::json value(uint32_t type) {
    switch (type) {
      case 0:
        return number<uint8_t>();
      case 4:
        return number<uint32_t>();
      case 5:
        return number<int32_t>();
      case 6:
        return number<float>();
      case 7:
        return number<uint8_t>() != 0;
      case 8:
        return string();
      case 10:
        return number<uint64_t>();
      case 9:
        break;
      default:
        ADD_FAILURE() << "value type " << type;
        return {};
    }
    const uint32_t item = number<uint32_t>();
    const uint64_t count = number<uint64_t>();
    nlohmann::json out = nlohmann::json::array();
    for (uint64_t i = 0; i < count; ++i) out.push_back(value(item));
    return out;
  }

  std::string bytes_;
  size_t at_ = 0;
};

std::string contents(const std::filesystem::path& path) {
  auto text = read_text_file(path.string(), 1 << 24);
  EXPECT_TRUE(text.ok());
  return text.ok() ? *text : std::string();
}

std::vector<std::string> texts_of(const std::filesystem::path& path) {
  const std::string all = contents(path), separator = "\n__ggml_vocab_test__\n";
  std::vector<std::string> out;
  for (size_t from = 0; from < all.size();) {
    const size_t end = std::min(all.find(separator, from), all.size());
    out.push_back(all.substr(from, end - from));
    from = end + separator.size();
  }
  return out;
}

std::vector<std::vector<int32_t>> ids_of(const std::filesystem::path& path) {
  std::istringstream lines(contents(path));
  std::vector<std::vector<int32_t>> out;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    out.emplace_back(std::istream_iterator<int32_t>(words), std::istream_iterator<int32_t>());
  }
  return out;
}

class Vectors : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    path_ = folder() / (std::string("ggml-vocab-") + GetParam() + ".gguf");
    if (!std::filesystem::exists(path_)) GTEST_SKIP() << path_ << " is not here";
  }
  std::filesystem::path path_;
};

TEST_P(Vectors, IdsAreThePublishedOnesAndDecodeToTheText) {
  const auto tokenizer = Tokenizer::from_metadata(GgufMetadata::read(path_), path_.string());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.message();
  const auto texts = texts_of(path_.string() + ".inp");
  const auto expected = ids_of(path_.string() + ".out");
  ASSERT_EQ(texts.size(), expected.size());
  ASSERT_GE(texts.size(), 40u);
  for (size_t i = 0; i < texts.size(); ++i) {
    EXPECT_EQ(tokenizer->encode(texts[i]), expected[i]) << "text " << i << ": " << texts[i];
    if (std::string_view(GetParam()) == "bert-bge") continue;  // which does not keep the text
    EXPECT_EQ(tokenizer->decode(expected[i]), texts[i]) << "text " << i;
    StreamDecoder stream(*tokenizer);
    std::string streamed;
    for (const int32_t id : expected[i]) streamed += stream.push(id);
    EXPECT_EQ(streamed + stream.flush(), texts[i]) << "text " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Published, Vectors,
                         testing::Values("gpt-2", "falcon", "starcoder", "refact", "mpt", "llama-bpe", "qwen2",
                                         "command-r", "deepseek-llm", "deepseek-coder", "llama-spm", "phi-3",
                                         "bert-bge"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace lowbit::text

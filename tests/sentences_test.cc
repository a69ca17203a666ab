// Sentence vectors against those that PyPI transformers computes (goldens/make_sentences.py).
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "cached_model.h"
#include "io/npy.h"
#include "program.h"
#include "runtime/sentence.h"

namespace lowbit::tests {
namespace {

using nlohmann::json;
using Vectors = std::vector<std::vector<float>>;

constexpr double kClose = 1e-5;

const json& goldens() {
  static const json all = json::parse(std::ifstream("goldens/sentences/vectors.json"));
  return all;
}

Vectors embed(const std::string& path, const std::vector<std::string>& texts, const graph::NumericPolicy& policy,
              int threads = 2) {
  runtime::EngineOptions options;
  options.policy = policy;
  options.threads = threads;
  const auto engine = runtime::Engine::open(path, options);
  EXPECT_TRUE(engine.ok()) << engine.message();
  const models::Model& model = (*engine)->opened.model;
  std::vector<runtime::SentenceIds> ids;
  for (const std::string& text : texts) {
    ids.push_back(runtime::sentence_ids(model, *(*engine)->tokenizer, text).value());
  }
  return runtime::sentence_vectors(model, *(*engine)->executor, ids).value();
}

void expect_close(const Vectors& found, const json& expected, double scale) {
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    const auto wanted = expected[i].get<std::vector<double>>();
    ASSERT_EQ(found[i].size(), wanted.size());
    for (size_t k = 0; k < wanted.size(); ++k) {
      ASSERT_NEAR(static_cast<double>(found[i][k]), wanted[k], kClose * scale) << "text " << i << ", " << k;
    }
  }
}

double cosine_to(const std::vector<float>& found, const json& expected) {
  return runtime::cosine(found, expected.get<std::vector<float>>());
}

// A copy of the tiny folder whose documents say something else.
std::string changed_folder(const Folder& folder, const std::map<std::string, json>& documents) {
  std::filesystem::copy("goldens/sentences/tiny-bert", folder.file("bert"), std::filesystem::copy_options::recursive);
  for (const auto& [name, value] : documents) std::ofstream(folder.file("bert/" + name)) << value;
  return folder.file("bert");
}

std::vector<std::string> texts_of(const char* name) {
  return goldens().at(name).at("texts").get<std::vector<std::string>>();
}

TEST(Sentences, OfTheTinyFolder) {
  const json& golden = goldens().at("tiny-bert");
  const auto found = embed("goldens/sentences/tiny-bert", texts_of("tiny-bert"), graph::NumericPolicy::reference());
  expect_close(found, golden.at("vectors").at("unit"), 1.0);
}

TEST(Sentences, WaysOfPooling) {
  const std::pair<const char*, json> ways[] = {{"mean", {{"pooling_mode_mean_tokens", true}}},
                                               {"cls", {{"pooling_mode_cls_token", true}}},
                                               {"last", {{"pooling_mode", "lasttoken"}}}};
  const json modules = {{{"type", "sentence_transformers.models.Transformer"}},
                        {{"type", "sentence_transformers.models.Pooling"}}};
  for (const auto& [way, pooling] : ways) {
    const Folder folder;
    const std::string path = changed_folder(folder, {{"1_Pooling/config.json", pooling}, {"modules.json", modules}});
    const auto found = embed(path, texts_of("tiny-bert"), graph::NumericPolicy::reference());
    expect_close(found, goldens().at("tiny-bert").at("vectors").at(way), 3.0);  // values of about 3
  }
}

// As sentence-transformers does it: before the tokenizer, and where the tokenizer leaves case as it is.
TEST(Sentences, LowerCaseThatTheFolderAsksFor) {
  json cased = json::parse(std::ifstream("goldens/sentences/tiny-bert/tokenizer.json"));
  cased["normalizer"]["lowercase"] = false;
  const auto of = [&](bool asked, const char* text) {
    const Folder folder;
    const json sentence = {{"max_seq_length", 24}, {"do_lower_case", asked}};
    const std::string path =
        changed_folder(folder, {{"sentence_bert_config.json", sentence}, {"tokenizer.json", cased}});
    return embed(path, {text}, graph::NumericPolicy::reference());
  };
  const auto expected = embed("goldens/sentences/tiny-bert", {"the cat sat"}, graph::NumericPolicy::reference());
  EXPECT_EQ(of(true, "The CAT sat"), expected);
  EXPECT_EQ(of(false, "the cat sat"), expected);
  EXPECT_NE(of(false, "The CAT sat"), expected);
}

TEST(Sentences, OfTheGguf) {
  runtime::EngineOptions options;
  const auto found =
      embed("goldens/sentences/tiny-bert.gguf", texts_of("tiny-bert.gguf"), graph::NumericPolicy::reference());
  const json& expected = goldens().at("tiny-bert.gguf").at("vectors").at("cls");
  for (size_t i = 0; i < found.size(); ++i) EXPECT_GT(cosine_to(found[i], expected[i]), 1.0 - 1e-9) << i;
}

TEST(Sentences, SameBitsInAnyCompanyAndOnAnyThreads) {
  const auto texts = texts_of("tiny-bert");
  const auto together = embed("goldens/sentences/tiny-bert", texts, graph::NumericPolicy::standard(), 3);
  for (size_t i = 0; i < texts.size(); ++i) {
    EXPECT_EQ(embed("goldens/sentences/tiny-bert", {texts[i]}, graph::NumericPolicy::standard(), 1)[0], together[i]);
  }
}

TEST(Sentences, OfAllMiniLm) {
  const std::string path = cached_model("all-minilm");
  if (path.empty()) GTEST_SKIP() << "all-minilm is not in the cache (lowbit pull all-minilm)";
  const json& expected = goldens().at("all-minilm").at("vectors").at("unit");
  const auto reference = embed(path, texts_of("all-minilm"), graph::NumericPolicy::reference());
  expect_close(reference, expected, 1.0);
  const auto standard = embed(path, texts_of("all-minilm"), graph::NumericPolicy::standard());
  for (size_t i = 0; i < standard.size(); ++i) EXPECT_GT(cosine_to(standard[i], expected[i]), 0.999) << i;
}

TEST(Sentences, UnsupportedModulesAreNamed) {
  const std::pair<std::map<std::string, json>, const char*> cases[] = {
      {{{"1_Pooling/config.json", {{"pooling_mode_max_tokens", true}}}}, "pooling_mode_max_tokens"},
      {{{"1_Pooling/config.json", {{"pooling_mode", "weightedmean"}}}}, "pooling_mode"},
      {{{"1_Pooling/config.json", {{"pooling_mode_cls_token", true}, {"pooling_mode_mean_tokens", true}}}},
       "beside another"},
      {{{"1_Pooling/config.json", json::object()}}, "absent"},
      {{{"modules.json", {{{"type", "sentence_transformers.models.Dense"}}}}}, "Dense"},
      {{{"modules.json", {1}}}, "modules.json"},
      {{{"modules.json", json::object()}}, "expected an array"},
      {{{"sentence_bert_config.json", {{"max_seq_length", 0}}}}, "max_seq_length"},
      {{{"sentence_bert_config.json", {{"do_lower_case", 1}}}}, "do_lower_case"},
  };
  for (const auto& [documents, part] : cases) {
    const Folder folder;
    const auto opened = models::open(changed_folder(folder, documents));
    ASSERT_FALSE(opened.ok()) << part;
    EXPECT_NE(opened.message().find(part), std::string::npos) << opened.message();
  }
}

TEST(EmbedProgram, ArgumentsFilesAndStandardInputGiveTheSame) {
  const Folder folder;
  const std::string tiny = "goldens/sentences/tiny-bert";
  std::ofstream(folder.file("texts")) << "The cat\r\n\nПривет\n";
  const Finished arguments = Program(folder, {"embed", tiny, "-p", "The cat", "-p", "Привет"}).wait();
  ASSERT_EQ(arguments.exit, 0) << arguments.err;
  const Finished file = Program(folder, {"embed", tiny, folder.file("texts"), "--json"}).wait();
  const Finished input =
      Program(folder, {"embed", tiny, "-o", folder.file("v.npy")}, {}, folder.file("texts")).wait();
  ASSERT_EQ(file.exit, 0) << file.err;
  ASSERT_EQ(input.exit, 0) << input.err;
  EXPECT_EQ(input.out, "");
  const json result = json::parse(file.out);
  EXPECT_EQ(result.at("dimension"), 32);
  EXPECT_EQ(result.at("texts"), 3);
  const auto array = io::read_npy(folder.file("v.npy"));
  ASSERT_TRUE(array.ok()) << array.message();
  EXPECT_EQ(array->shape, (std::vector<int64_t>{3, 32}));
  const auto& values = std::get<std::vector<float>>(array->values);
  std::istringstream lines(arguments.out);
  for (const size_t row : {0, 2}) {  // the empty line between them is a text, too
    for (size_t i = 0; i < 32; ++i) {
      float typed = 0.0f;
      lines >> typed;
      EXPECT_EQ(typed, values[row * 32 + i]);
      EXPECT_EQ(typed, result.at("vectors")[row][i].get<float>());
    }
  }
}

TEST(EmbedProgram, SaysWhatItCutAndWhatItRefuses) {
  const Folder folder;
  std::string text;
  for (int i = 0; i < 100; ++i) text += "x ";
  const Finished cut = Program(folder, {"embed", "goldens/sentences/tiny-bert", "-p", text, "-p", "x"}).wait();
  EXPECT_EQ(cut.exit, 0);
  EXPECT_EQ(cut.err, "lowbit: 1 of 2 texts cut to the 24 tokens that the model reads\n");
  const Finished decoder = Program(folder, {"embed", "goldens/tiny-llama.gguf", "-p", "x"}).wait();
  EXPECT_EQ(decoder.exit, 1);
  EXPECT_NE(decoder.err.find("embed wants an encoder"), std::string::npos) << decoder.err;
}

}  // namespace
}  // namespace lowbit::tests

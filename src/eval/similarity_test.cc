#include "eval/similarity.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

namespace lowbit::eval {
namespace {

constexpr const char* kTiny = "goldens/sentences/tiny-bert";

std::unique_ptr<runtime::Engine> open(const std::string& path) {
  runtime::EngineOptions options;
  options.threads = 2;
  auto engine = runtime::Engine::open(path, options);
  EXPECT_TRUE(engine.ok()) << engine.message();
  return std::move(engine).value();
}

// Lines of the golden that hold no break, between blank ones.
std::pair<std::string, std::vector<size_t>> text_of(const nlohmann::json& golden) {
  std::string text = " \n\n";
  std::vector<size_t> used;
  for (size_t i = 0; i < golden.at("texts").size(); ++i) {
    const auto one = golden["texts"][i].get<std::string>();
    if (one.find_first_not_of(" \t") == std::string::npos) continue;
    text += one + "\r\n\t\n";
    used.push_back(i);
  }
  return {text, used};
}

double cosine_of(const nlohmann::json& a, const nlohmann::json& b) {
  double ab = 0.0, aa = 0.0, bb = 0.0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double x = a[i], y = b[i];
    ab += x * y;
    aa += x * x;
    bb += y * y;
  }
  return ab / std::sqrt(aa * bb);
}

// The model pools [CLS] as the GGUF says, the base the mean: golden vectors give what must come out.
TEST(Similarity, CosinesAndNeighboursAreThoseOfTheGoldenVectors) {
  const auto goldens = nlohmann::json::parse(std::ifstream("goldens/sentences/vectors.json"));
  const auto& golden = goldens.at("tiny-bert");
  const auto [text, used] = text_of(golden);
  const auto model = open("goldens/sentences/tiny-bert.gguf"), base = open(kTiny);
  const auto found = compare_vectors(*model, *base, text, {.reference = true}, graph::NumericPolicy::standard());
  ASSERT_TRUE(found.ok()) << found.message();
  const auto& here = goldens.at("tiny-bert.gguf").at("vectors").at("cls");
  const auto& there = golden.at("vectors").at("unit");
  ASSERT_EQ(found->texts, std::ssize(used));
  ASSERT_EQ(found->cosines.size(), used.size());
  double sum = 0.0, least = 1.0, same = 0.0;
  const auto nearest = [&used = used](const nlohmann::json& vectors, size_t i) {
    size_t best = i == 0 ? 1 : 0;
    for (size_t j = 0; j < used.size(); ++j) {
      if (j != i && cosine_of(vectors[used[i]], vectors[used[j]]) > cosine_of(vectors[used[i]], vectors[used[best]]))
        best = j;
    }
    return best;
  };
  for (size_t i = 0; i < used.size(); ++i) {
    const double expected = cosine_of(here[used[i]], there[used[i]]);
    EXPECT_NEAR(found->cosines[i], expected, 1e-5) << i;
    sum += expected;
    least = std::min(least, expected);
    same += nearest(here, i) == nearest(there, i) ? 1.0 : 0.0;
  }
  EXPECT_NEAR(found->cosine_mean, sum / static_cast<double>(used.size()), 1e-5);
  EXPECT_NEAR(found->cosine_min, least, 1e-5);
  EXPECT_NEAR(found->neighbour_agreement, same / static_cast<double>(used.size()), 1e-12);
  EXPECT_LT(found->neighbour_agreement, 1.0);
  EXPECT_EQ(found->worst.size(), 12u);
  EXPECT_EQ(found->worst[0].cosine, found->cosine_min);
  EXPECT_EQ(found->worst[0].line % 2, 1) << "texts stand on odd lines";
}

TEST(Similarity, AModelIsEqualToItself) {
  const auto model = open(kTiny);
  const auto found =
      compare_vectors(*model, *model, "a b\nc d\nthe cat\n", {true, 2}, graph::NumericPolicy::standard());
  ASSERT_TRUE(found.ok()) << found.message();
  EXPECT_DOUBLE_EQ(found->cosine_min, 1.0);
  EXPECT_EQ(found->neighbour_agreement, 1.0);
  EXPECT_EQ(found->worst.size(), 2u);
  const auto two = compare_vectors(*model, *model, "a b\nc d", {}, graph::NumericPolicy::standard());
  EXPECT_TRUE(std::isnan(two->neighbour_agreement));
}

TEST(Similarity, Errors) {
  const auto encoder = open(kTiny), decoder = open("goldens/tiny-llama.gguf");
  const auto message = [](const auto& a, const auto& b, const std::string& text) {
    return compare_vectors(*a, *b, text, {}, graph::NumericPolicy::standard()).message();
  };
  EXPECT_NE(message(encoder, encoder, " \n\t\n").find("no line that is not blank"), std::string::npos);
  EXPECT_NE(message(encoder, decoder, "x").find("a llama predicts tokens"), std::string::npos);
  EXPECT_NE(message(decoder, encoder, "x").find("a llama predicts tokens"), std::string::npos);
}

TEST(Similarity, TheFirstOfEquallyNearTextsIsTheNearest) {
  ThreadPool pool(3);
  const std::vector<std::vector<float>> vectors = {{1, 0}, {2, 0}, {0, 1}, {1, 1}, {0, 0}};
  EXPECT_EQ(nearest_neighbours(vectors, pool), (std::vector<size_t>{1, 0, 3, 0, 0}));
}

}  // namespace
}  // namespace lowbit::eval

#include "quant/recipe.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"
#include "base/rng.h"

namespace lowbit::quant {
namespace {

constexpr const char* kWhole = R"(format = "int4/64:f16+zp"
method = "gptq"
damping = 0.02
act_order = false
block = 64
descent_sweeps = 2
scales = "amax"
calibration_chunks = 8
context = 256
divide_rows = 64
candidates = ["q8_0", "nf4/64"]

[[tensor]]
match = "attn_v"
format = "q8_0"

[[tensor]]
match = "embd"
format = "uint6/64:f16+zp"
)";

TEST(Recipe, EveryKeyArrives) {
  const auto recipe = parse_recipe(kWhole, "r.toml");
  ASSERT_TRUE(recipe.ok()) << recipe.message();
  EXPECT_EQ(formats::print(*recipe->format), "int4/64:f16+zp");
  EXPECT_EQ(recipe->method, "gptq");
  EXPECT_EQ(recipe->options.damping, 0.02);
  EXPECT_FALSE(recipe->options.act_order);
  EXPECT_EQ(recipe->options.block, 64);
  EXPECT_EQ(recipe->options.descent_sweeps, 2);
  EXPECT_EQ(recipe->options.scales.search, ScaleSearch::amax);
  EXPECT_EQ(recipe->calibration_chunks, 8);
  EXPECT_EQ(recipe->context, 256);
  ASSERT_EQ(recipe->candidates.size(), 2u);
  ASSERT_EQ(recipe->rules.size(), 2u);
  EXPECT_EQ(recipe->rules[1].pattern.text(), "embd");
  EXPECT_EQ(recipe->divide_rows, 64);
}

TEST(Recipe, ShippedRecipesAreRead) {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("recipes")) {
    const auto recipe = read_recipe(entry.path().string());
    EXPECT_TRUE(recipe.ok()) << recipe.message();
    ++count;
  }
  EXPECT_GE(count, 3);
}

TEST(Recipe, ErrorsNameFileLineAndKey) {
  struct Case {
    const char* text;
    const char* says;
  };
  for (const Case& c :
       {Case{"format = 4", "line 1: format is integer, expected a format string"},
        {"\nformat = \"int4/64:f17\"", "line 2: format: "},
        {"damping = \"much\"", "line 1: damping is string, expected a number from 0 to 10"},
        {"damping = -1", "line 1: damping"},
        {"methd = \"gptq\"", "line 1: unknown key \"methd\"; known: format, budget, method"},
        {"method = \"magic\"", "\"magic\" is no rounding method"},
        {"block = 0", "line 1: block: 0 is outside 1 to"},
        {"[[tensor]]\nmatch = \"x\"", "a [[tensor]] table needs match and format"},
        {"[[tensor]]\nmatch = \"([\"\nformat = \"q8_0\"", "line 2: match: \"([\" is no regular expression"},
        {"tensor = 3", "tensor is integer, expected [[tensor]] tables"},
        {"candidates = \"q8_0\"", "candidates is string, expected an array of format strings"},
        {"format = \"q8_0\"\nbudget = \"4bpw\"", "line 2: budget: stands beside a format"},
        {"divide_rows = 0", "line 1: divide_rows: 0 is outside"},
        {"candidates = [3]", "candidates: expected format strings"},
        {"x = [", "not TOML"}}) {
    const auto recipe = parse_recipe(c.text, "r.toml");
    ASSERT_FALSE(recipe.ok()) << c.text;
    EXPECT_EQ(recipe.message().rfind("r.toml, line ", 0), 0u) << recipe.message();
    EXPECT_NE(recipe.message().find(c.says), std::string::npos) << recipe.message();
  }
}

// A list of values in a file, wherever a recipe names a format.
TEST(Recipe, FormatsMayStandInFiles) {
  const std::string path = testing::TempDir() + "/recipe-levels.txt";
  ASSERT_TRUE(write_text_file(path, "-1, 0, 1\n").ok());
  const auto recipe =
      parse_recipe(fmt::format("format = \"@{0}/64:bf16\"\ncandidates = [\"@{0}/32\"]\n[[tensor]]\nmatch = "
                               "\"x\"\nformat = \"@{0}/16\"\n",
                               path),
                   "r.toml");
  ASSERT_TRUE(recipe.ok()) << recipe.message();
  EXPECT_EQ(formats::print(*recipe->format), "[-1,0,1]/64:bf16");
  EXPECT_EQ(formats::print(recipe->candidates.at(0)), "[-1,0,1]/32");
  EXPECT_EQ(formats::print(recipe->rules.at(0).format), "[-1,0,1]/16");
  ASSERT_TRUE(write_text_file(path, "-1 x").ok());
  const auto wrong = parse_recipe(fmt::format("\nformat = \"@{}\"", path), "r.toml");
  ASSERT_FALSE(wrong.ok());
  EXPECT_EQ(wrong.message(),
            fmt::format("r.toml, line 2: format: {}: line 1, column 4: found \"x\", expected a number", path));
  std::filesystem::remove(path);
}

// Flips, cuts and repeats of a good recipe: read, or refused in one sentence that names the file.
TEST(Recipe, DamagedRecipesAreRefusedOrRead) {
  Rng rng(5);
  const std::string whole = kWhole;
  int refused = 0;
  for (int i = 0; i < 1000; ++i) {
    std::string text = whole;
    for (uint64_t n = rng.below(4); n-- > 0;) text[rng.below(text.size())] = static_cast<char>(rng.below(256));
    if (rng.below(3) == 0) text.resize(rng.below(text.size()));
    if (rng.below(4) == 0)
      text.insert(rng.below(text.size() + 1), std::string(rng.below(2000), "[{\"=."[rng.below(5)]));
    const auto recipe = parse_recipe(text, "r.toml");
    if (recipe.ok()) continue;
    ++refused;
    EXPECT_EQ(recipe.message().rfind("r.toml", 0), 0u) << recipe.message();
    EXPECT_LT(recipe.message().size(), 2000u);
  }
  EXPECT_GT(refused, 300);
}

}  // namespace
}  // namespace lowbit::quant

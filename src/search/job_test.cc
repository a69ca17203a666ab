#include "search/job.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "search/assignment.h"

namespace lowbit::search {
namespace {

namespace fs = std::filesystem;

constexpr const char* kModel = "goldens/tiny-llama-mixed.gguf";

formats::Format format_of(const char* text) { return formats::parse_format(text).value(); }

// Whatever changes pieces changes the key.
TEST(Job, TheWorkKeyHoldsAllThatPiecesDependOn) {
  std::set<std::string> keys;
  JobOptions options;
  const auto file = models::open_file(kModel).value();
  const auto note = [&] { keys.insert(work_key(*file, options).value()); };
  note();
  note();
  EXPECT_EQ(keys.size(), 1u);
  options.sensitivity.rounding.scales.power_of_two_threshold = 0.0;
  note();
  options.sensitivity.rounding.scales.power_of_two_threshold = 0.5;
  note();
  options.program = "another version";
  note();
  options.sensitivity.method = "nearest";
  note();
  options.sensitivity.divide_rows = 64;
  note();
  options.calibration_text = "text";
  note();
  EXPECT_EQ(keys.size(), 7u);
}

// A folder's files, and those beside a file of one: work of other words, or of another way of pooling, is not used.
TEST(Job, TheWorkKeyHoldsAllFilesOfTheSource) {
  std::string folder = (fs::temp_directory_path() / "lowbit-job-XXXXXX").string();
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  fs::copy("goldens/sentences/tiny-bert", folder, fs::copy_options::recursive | fs::copy_options::overwrite_existing);
  const std::string weights = folder + "/model.safetensors";
  const auto key = [&](const std::string& path) { return work_key(*models::open_file(path).value(), {}).value(); };
  for (const std::string& path : {folder, weights}) {
    std::set<std::string> keys = {key(path), key(path)};
    EXPECT_EQ(keys.size(), 1u);
    for (const char* name : {"1_Pooling/config.json", "config.json", "tokenizer.json", "modules.json"}) {
      ASSERT_TRUE(fs::exists(folder + "/" + name)) << name;
      std::ofstream(folder + "/" + name, std::ios::app) << " ";
      EXPECT_TRUE(keys.insert(key(path)).second) << path << " " << name;
    }
    std::ofstream(folder + "/README.md", std::ios::app) << " ";
    EXPECT_FALSE(keys.insert(key(path)).second) << path;
  }
  fs::remove_all(folder);
}

TEST(Assignment, RulesAreAboutMatricesUnlessTheFormatIsForVectors) {
  const auto opened = models::open(kModel);
  ASSERT_TRUE(opened.ok());
  const auto pattern = [](const char* text) { return quant::NamePattern::compile(text).value(); };
  const auto norms = Assignment::make(*opened, {{pattern("norm"), format_of("int4/64")}});
  ASSERT_FALSE(norms.ok());
  EXPECT_NE(norms.message().find("\"norm\" is found in the name of no matrix of"), std::string::npos);
  const auto some =
      Assignment::make(*opened, {{pattern("blk.0"), format_of("int4/64")}, {pattern("attn"), format_of("bf16")}});
  ASSERT_TRUE(some.ok()) << some.message();
  EXPECT_EQ(formats::print(*some->asked("blk.0.attn_q.weight")), "int4/64");
  EXPECT_EQ(formats::print(*some->asked("blk.1.attn_q.weight")), "bf16");
  EXPECT_EQ(formats::print(*some->asked("blk.0.attn_norm.weight")), "bf16");
  EXPECT_EQ(some->asked("blk.1.ffn_up.weight"), nullptr);
  EXPECT_TRUE(some->rounds(format_of("bf16")));
  EXPECT_FALSE(Assignment::make(*opened, {})->rounds(format_of("bf16")));
}

}  // namespace
}  // namespace lowbit::search

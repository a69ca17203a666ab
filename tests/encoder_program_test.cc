// `lowbit quantize` and `lowbit eval` of an encoder, as a user runs them.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "program.h"

namespace lowbit::tests {
namespace {

using nlohmann::json;

constexpr const char* kModel = "goldens/sentences/tiny-bert";
constexpr const char* kText = "share/text/evaluation.txt";

class EncoderProgram : public testing::Test {
 protected:
  json made(const std::string& name, const std::vector<std::string>& way) {
    std::vector<std::string> arguments = {"quantize", kModel, "-o", folder_.file(name), "--text", kText, "--json"};
    arguments.insert(arguments.end(), way.begin(), way.end());
    const Finished done = Program(folder_, arguments).wait();
    EXPECT_EQ(done.exit, 0) << done.err;
    return done.exit == 0 ? json::parse(done.out) : json();
  }
  json compared(const std::string& name, const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {"eval",   folder_.file(name),           "--base", kModel,
                                          "--text", "share/text/calibration.txt", "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Finished done = Program(folder_, arguments).wait();
    EXPECT_EQ(done.exit, 0) << done.err;
    return done.exit == 0 ? json::parse(done.out) : json();
  }
  Folder folder_;
};

TEST_F(EncoderProgram, MoreBitsKeepTheVectorsBetter) {
  double last = 0.0;
  for (const char* format : {"uint3/32:f16+zp", "uint5/32:f16+zp", "int8/32"}) {
    const json result = made("m.safetensors", {"--format", format});
    EXPECT_GT(result.at("predicted_cosine_loss").get<double>(), 0.0);
    EXPECT_FALSE(result.contains("predicted_kl"));
    const json found = compared("m.safetensors");
    EXPECT_GT(found.at("cosine_mean").get<double>(), last) << format;
    EXPECT_GE(found.at("cosine_mean"), found.at("cosine_min"));
    EXPECT_EQ(found.at("texts"), found.at("cosines").size());
    EXPECT_EQ(found.at("worst").size(), 12u);
    last = found.at("cosine_mean");
  }
  EXPECT_GT(last, 0.999);
  EXPECT_LT(last, 1.0);
  EXPECT_GT(compared("m.safetensors").at("neighbour_agreement").get<double>(), 0.8);
}

TEST_F(EncoderProgram, ABudgetIsKeptAndItsLossForeseen) {
  const json result = made("b.safetensors", {"--budget", "8bpw"});
  EXPECT_LE(result.at("bits_per_weight").get<double>(), 8.0);
  EXPECT_TRUE(result.at("probes").contains("blk.1.attn_output.weight")) << "each matrix is probed for itself";
  const double lost = 1.0 - compared("b.safetensors", {"--reference"}).at("cosine_mean").get<double>();
  const double predicted = result.at("predicted_cosine_loss").get<double>();
  EXPECT_GT(lost, predicted / 4.0);
  EXPECT_LT(lost, predicted * 4.0);
}

TEST_F(EncoderProgram, ReportsShowTheVectors) {
  made("m.safetensors", {"--format", "int8/32", "--report", folder_.file("q.html"), "--eval-text", kText});
  compared("m.safetensors", {"--report", folder_.file("e.html")});
  for (const char* name : {"q.html", "e.html"}) {
    const std::string page = read_file(folder_.file(name));
    EXPECT_NE(page.find("1 - cosine"), std::string::npos) << name;
    EXPECT_NE(page.find("Same nearest text"), std::string::npos) << name;
    EXPECT_EQ(page.find("Perplexity"), std::string::npos) << name;
    const std::string shown = page.substr(0, page.find("id=\"raw\""));
    EXPECT_EQ(shown.find("KL"), std::string::npos) << name << shown.substr(shown.find("KL"), 100);
  }
}

TEST_F(EncoderProgram, OptionsOfDecodersAreNoUse) {
  const std::pair<std::vector<std::string>, const char*> cases[] = {
      {{}, "has no perplexity; --base"},
      {{"--base", kModel, "--context", "64"}, "--context cuts"},
      {{"--base", kModel, "--chunks", "2"}, "--chunks cuts"},
      {{"--base", "goldens/tiny-llama.gguf"}, "the two cannot be compared"}};
  for (const auto& [options, part] : cases) {
    std::vector<std::string> arguments = {"eval", kModel, "--text", kText};
    arguments.insert(arguments.end(), options.begin(), options.end());
    const Finished done = Program(folder_, arguments).wait();
    EXPECT_EQ(done.exit, 1);
    EXPECT_NE(done.err.find(part), std::string::npos) << done.err;
    EXPECT_EQ(std::count(done.err.begin(), done.err.end(), '\n'), 1) << done.err;
  }
  const Finished asked = Program(folder_, {"quantize", kModel, "-o", folder_.file("p.safetensors"), "--format",
                                           "int8/32", "--report", folder_.file("p.html"), "--prompt", "Hello"})
                             .wait();
  EXPECT_EQ(asked.exit, 1);
  EXPECT_NE(asked.err.find("answers no prompt; leave --prompt out"), std::string::npos) << asked.err;
  EXPECT_EQ(std::count(asked.err.begin(), asked.err.end(), '\n'), 1) << asked.err;
  EXPECT_FALSE(std::filesystem::exists(folder_.file("p.safetensors")));
}

}  // namespace
}  // namespace lowbit::tests

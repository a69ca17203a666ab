// `lowbit quantize` as a user runs it: the same bytes for any threads, instruction set and number of kills; budgets
// that hold; results that run; wrong commands that say what is wrong.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/cpu.h"
#include "base/rng.h"
#include "program.h"

namespace lowbit::tests {
namespace {

constexpr const char* kModel = "goldens/tiny-llama.gguf";
constexpr const char* kText = "share/text/calibration.txt";

std::vector<std::string> quantize(const std::string& out, const std::string& way, const std::string& value) {
  return {"quantize", kModel, "-o", out, way, value, "--text", kText, "--context", "64", "--calibration-chunks", "4"};
}

TEST(QuantizeProgram, SameBytesForAnyThreadsAndInstructionSet) {
  const Folder folder;
  std::string expected;
  for (const char* threads : {"1", "2"}) {
    for (int isa = 0; isa <= static_cast<int>(detected_isa()); ++isa) {
      const std::string out = folder.file("out.safetensors");
      std::vector<std::string> arguments = quantize(out, "--budget", "4.5bpw");
      arguments.insert(arguments.end(), {"--threads", threads});
      const Finished finished = run(arguments, {{"LOWBIT_ISA", std::string(isa_name(static_cast<Isa>(isa)))}});
      ASSERT_EQ(finished.exit, 0) << finished.err;
      const std::string bytes = read_file(out);
      ASSERT_FALSE(bytes.empty());
      if (expected.empty()) expected = bytes;
      EXPECT_TRUE(bytes == expected) << threads << " threads, " << isa_name(static_cast<Isa>(isa));
    }
  }
}

TEST(QuantizeProgram, KilledAtTwentyMomentsItEndsWithTheSameBytes) {
  const Folder folder;
  const std::string whole = folder.file("whole.safetensors"), resumed = folder.file("resumed.safetensors");
  const auto start = std::chrono::steady_clock::now();
  ASSERT_EQ(run(quantize(whole, "--budget", "4.5bpw")).exit, 0);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  Rng rng(2026);
  int killed = 0;
  for (int i = 0; i < 20; ++i) {
    const Folder logs;
    const Program program(logs, quantize(resumed, "--budget", "4.5bpw"));
    std::this_thread::sleep_for(std::chrono::duration<double>(rng.uniform() * seconds * 0.5));
    program.kill();
    killed += program.wait().signal == SIGKILL ? 1 : 0;
    // Whatever stands under the final name is whole.
    if (std::filesystem::exists(resumed)) EXPECT_TRUE(read_file(resumed) == read_file(whole));
  }
  EXPECT_GT(killed, 0);
  const Finished finished = run(quantize(resumed, "--budget", "4.5bpw"));
  ASSERT_EQ(finished.exit, 0) << finished.err;
  EXPECT_TRUE(read_file(resumed) == read_file(whole));
  EXPECT_FALSE(std::filesystem::exists(resumed + ".work"));
}

TEST(QuantizeProgram, KeepsItsBudgetAndItsOutputRuns) {
  for (const std::string budget : {"5bpw", "180kB"}) {
    const Folder folder;
    const std::string out = folder.file("out.safetensors");
    std::vector<std::string> arguments = quantize(out, "--budget", budget);
    arguments.push_back("--json");
    const Finished finished = run(arguments);
    ASSERT_EQ(finished.exit, 0) << finished.err;
    const auto json = nlohmann::json::parse(finished.out);
    EXPECT_EQ(json.at("bytes").get<uint64_t>(), std::filesystem::file_size(out));
    if (budget == "5bpw") EXPECT_LE(json.at("bits_per_weight").get<double>(), 5.0);
    if (budget == "180kB") EXPECT_LE(json.at("bytes").get<uint64_t>(), 180000u);
    EXPECT_GT(json.at("predicted_kl").get<double>(), 0.0);
    const Finished said = run({"run", out, "-p", "hello", "-n", "8", "--json"});
    ASSERT_EQ(said.exit, 0) << said.err;
    EXPECT_LE(nlohmann::json::parse(said.out).at("ids").size(), 8u);
    const Finished scored = run({"eval", out, "--base", kModel, "--text", "share/text/evaluation.txt", "--context",
                                 "64", "--chunks", "2", "--json"});
    ASSERT_EQ(scored.exit, 0) << scored.err;
    EXPECT_GT(nlohmann::json::parse(scored.out).at("kl_mean").get<double>(), 0.0);
  }
}

TEST(QuantizeProgram, MoreBitsLoseLess) {
  double last = 1e9;
  for (const char* format : {"int3/32", "int4/32", "int5/32", "int6/32"}) {
    const Folder folder;
    std::vector<std::string> arguments = quantize(folder.file("out.safetensors"), "--format", format);
    arguments.push_back("--json");
    const Finished finished = run(arguments);
    ASSERT_EQ(finished.exit, 0) << finished.err;
    const double loss = nlohmann::json::parse(finished.out).at("predicted_kl").get<double>();
    EXPECT_LT(loss, last) << format;
    last = loss;
  }
}

// A limit on the size of files stands for a full disk: write() fails in the middle.
TEST(QuantizeProgram, AFullDiskIsSaidAndLeavesNothing) {
  const Folder folder;
  const std::string out = folder.file("out.safetensors");
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit little{200000, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &little), 0);
  const Finished finished = run({"quantize", kModel, "-o", out, "--format", "bf16", "--work", folder.file("work")});
  ::setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_EQ(finished.exit, 1) << finished.err;
  EXPECT_NE(finished.err.find("out.safetensors: cannot write"), std::string::npos) << finished.err;
  EXPECT_FALSE(std::filesystem::exists(out));
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(out).parent_path())) {
    EXPECT_EQ(entry.path().filename().string().find(".tmp"), std::string::npos) << entry.path();
  }
}

struct WrongCase {
  std::vector<std::string> arguments;
  int exit;
  std::string says;
};

TEST(QuantizeProgram, WrongCommandsSayWhatIsWrong) {
  const Folder folder;
  const std::string out = folder.file("o.safetensors");
  const std::string short_text = folder.file("short.txt");
  std::ofstream(short_text) << "too short";
  const WrongCase cases[] = {
      {{"quantize", kModel, "-o", out, "--format", "int4/128:f17"}, 2, "f17"},
      {{"quantize", kModel, "-o", out, "--format", "mxfp44"}, 2, "mxfp4"},
      {{"quantize", kModel, "-o", out}, 2, "--budget"},
      {{"quantize", kModel, "-o", out, "--format", "q8_0", "--method", "gtpq"}, 2, "gptq"},
      {{"quantize", kModel, "-o", out, "--format", "q8_0", "--tensor", "([=q4_0"}, 2, "regular expression"},
      {{"quantize", kModel, "--format", "q8_0"}, 2, "-o OUT"},
      {{"quantize", kModel, "-o", out, "--budget", "4.5bits"}, 2, "4.25bpw"},
      {{"quantize", "no-such-file.gguf", "-o", out, "--format", "q8_0"}, 1, "no-such-file.gguf"},
      {{"quantize", kModel, "-o", out, "--budget", "0.5bpw", "--text", kText, "--context", "64"}, 1, "the least is"},
      {{"quantize", kModel, "-o", out, "--budget", "4bpw", "--text", short_text}, 1, "512"},
      {{"quantize", kModel, "-o", out, "--budget", "4bpw", "--text", folder.file("none.txt")}, 1, "none.txt"},
      {{"eval", kModel, "--text", short_text}, 1, "--context"},
      {{"quantise", kModel}, 2, "quantize"},
      {{"quantize", kModel, "-o", "/dev/full/o.safetensors", "--format", "bf16"}, 1, "/dev/full"},
  };
  for (const WrongCase& wrong : cases) {
    const Finished finished = run(wrong.arguments);
    EXPECT_EQ(finished.exit, wrong.exit) << wrong.says << ": " << finished.err;
    EXPECT_NE(finished.err.find(wrong.says), std::string::npos) << finished.err;
    EXPECT_EQ(std::count(finished.err.begin(), finished.err.end(), '\n'), 1) << finished.err;
    EXPECT_TRUE(finished.out.empty()) << finished.out;
    EXPECT_FALSE(std::filesystem::exists(out));
  }
}

}  // namespace
}  // namespace lowbit::tests

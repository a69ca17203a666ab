// `lowbit quantize` as a user runs it: the same bytes for any threads, instruction set and number of kills; budgets
// that hold; results that run; wrong commands that say what is wrong.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
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

// Matrices of 64 rows and more are divided: orders of rows and merged parts, as large models have them.
std::vector<std::string> divided(const Folder& folder, const std::string& out, const std::string& budget) {
  const std::string recipe = folder.file("divide.toml");
  std::ofstream(recipe) << "divide_rows = 64\n"
                           "candidates = [\"uint2/32:f16+zp\", \"uint4/32:f16+zp\", \"iq4nl/32\", \"q8_0\"]\n";
  std::vector<std::string> arguments = quantize(out, "--budget", budget);
  arguments.insert(arguments.end(), {"--recipe", recipe});
  return arguments;
}

std::vector<std::string> with(std::vector<std::string> arguments, std::initializer_list<std::string> more) {
  arguments.insert(arguments.end(), more);
  return arguments;
}

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator(folder, failed)) {
    names.push_back(entry.path().filename().string());
  }
  return names;
}

TEST(QuantizeProgram, SameBytesForAnyThreadsAndInstructionSet) {
  const Folder folder;
  std::string expected;
  for (const char* threads : {"1", "2"}) {
    for (const Isa isa : offered_isas()) {
      const std::string out = folder.file("out.safetensors");
      const std::vector<std::string> arguments = with(divided(folder, out, "4.5bpw"), {"--threads", threads});
      const Finished finished = run(arguments, {{"LOWBIT_ISA", std::string(isa_name(isa))}});
      ASSERT_EQ(finished.exit, 0) << finished.err;
      const std::string bytes = read_file(out);
      ASSERT_FALSE(bytes.empty());
      if (expected.empty()) expected = bytes;
      EXPECT_TRUE(bytes == expected) << threads << " threads, " << isa_name(isa);
    }
  }
}

TEST(QuantizeProgram, KilledAtTwentyMomentsItEndsWithTheSameBytes) {
  const Folder folder, recipes;
  const std::string out = folder.file("out.safetensors"), whole = recipes.file("whole.safetensors");
  const std::vector<std::string> command = divided(recipes, out, "4.5bpw");
  const auto start = std::chrono::steady_clock::now();
  ASSERT_EQ(run(divided(recipes, whole, "4.5bpw")).exit, 0);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const std::string expected = read_file(whole);
  Rng rng(2026);
  int killed = 0;
  for (int i = 0; i < 60 && killed < 20; ++i) {
    const Folder logs;
    const Program program(logs, command);
    std::this_thread::sleep_for(std::chrono::duration<double>(rng.uniform() * seconds));
    program.kill();
    killed += program.wait().signal == SIGKILL ? 1 : 0;
    // Whatever stands under the final name is whole.
    if (std::filesystem::exists(out)) EXPECT_TRUE(read_file(out) == expected);
  }
  EXPECT_EQ(killed, 20);
  const Finished finished = run(command);
  ASSERT_EQ(finished.exit, 0) << finished.err;
  EXPECT_TRUE(read_file(out) == expected);
  EXPECT_EQ(names_in(std::filesystem::path(out).parent_path()), std::vector<std::string>{"out.safetensors"});
}

// Killed when some tensors are rounded: the next run takes them as they are.
TEST(QuantizeProgram, RoundedTensorsAreUsedAgainAfterAKill) {
  const Folder folder, recipes;
  const std::string out = folder.file("out.safetensors");
  const std::vector<std::string> command = divided(recipes, out, "4.5bpw");
  constexpr int kEnough = 3;
  bool killed = false;
  for (int attempt = 0; attempt < 10 && !killed; ++attempt) {
    const Folder logs;
    const Program program(logs, command);
    for (int tensors = 0, polls = 0; tensors < kEnough && polls < 60000; ++polls) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      tensors = 0;
      for (const std::string& name : names_in(out + ".work")) {
        tensors += name.starts_with("tensor-") && name.ends_with(".piece") ? 1 : 0;
      }
      if (std::filesystem::exists(out)) break;
    }
    program.kill();
    killed = program.wait().signal == SIGKILL && !std::filesystem::exists(out);
    if (!killed) std::filesystem::remove(out);
  }
  ASSERT_TRUE(killed);
  const Finished finished = run(with(command, {"--json"}));
  ASSERT_EQ(finished.exit, 0) << finished.err;
  EXPECT_GE(nlohmann::json::parse(finished.out).at("reused_tensors").get<int>(), kEnough);
}

bool any_divided(const nlohmann::json& tensors) {
  return std::any_of(tensors.begin(), tensors.end(), [](const nlohmann::json& t) { return t.contains("parts"); });
}

TEST(QuantizeProgram, KeepsItsBudgetAndItsOutputRuns) {
  for (const std::string budget : {"5bpw", "180kB"}) {
    const Folder folder;
    const std::string out = folder.file("out.safetensors");
    const Finished finished = run(with(divided(folder, out, budget), {"--json"}));
    ASSERT_EQ(finished.exit, 0) << finished.err;
    const auto json = nlohmann::json::parse(finished.out);
    EXPECT_TRUE(any_divided(json.at("tensors"))) << json.at("tensors");
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

// With bytes to spare everything is kept as it is, tensors of several parts too.
TEST(QuantizeProgram, ADividedSourceCanBeKept) {
  const Folder folder;
  const std::string first = folder.file("first.safetensors"), second = folder.file("second.safetensors");
  ASSERT_EQ(run(divided(folder, first, "4.5bpw")).exit, 0);
  std::vector<std::string> arguments = with(quantize(second, "--budget", "32bpw"), {"--json"});
  arguments[1] = first;
  const Finished finished = run(arguments);
  ASSERT_EQ(finished.exit, 0) << finished.err;
  const auto json = nlohmann::json::parse(finished.out);
  EXPECT_TRUE(any_divided(json.at("tensors")));
  EXPECT_EQ(json.at("predicted_kl").get<double>(), 0.0);
}

TEST(QuantizeProgram, AnUntiedEmbeddingIsRounded) {
  for (const auto& [way, value] : {std::pair("--format", "int4/32"), std::pair("--budget", "4.5bpw")}) {
    const Folder folder;
    std::vector<std::string> arguments = with(quantize(folder.file("o.safetensors"), way, value), {"--json"});
    arguments[1] = "goldens/tiny-llama-mixed.gguf";
    const Finished finished = run(arguments);
    ASSERT_EQ(finished.exit, 0) << finished.err;
    EXPECT_GT(nlohmann::json::parse(finished.out).at("predicted_kl").get<double>(), 0.0);
  }
}

TEST(QuantizeProgram, TheMethodIsUsedUnderABudget) {
  const Folder folder;
  const std::string out = folder.file("o.safetensors");
  ASSERT_EQ(run(with(quantize(out, "--budget", "5bpw"), {"--method", "rtn"})).exit, 0);
  EXPECT_NE(read_file(out).find("\\\"rtn\\\""), std::string::npos);
  EXPECT_EQ(read_file(out).find("\\\"gptq\\\""), std::string::npos);
}

// Pieces of a kept folder depend on what they were made for.
TEST(QuantizeProgram, AKeptWorkFolderGivesWhatAFreshOneGives) {
  const Folder folder;
  const std::string out = folder.file("o.safetensors"), work = folder.file("w");
  ASSERT_EQ(run(with(quantize(out, "--budget", "5bpw"), {"--work", work})).exit, 0);
  const auto asked = [&](const std::string& place) {
    const Finished f =
        run(with(quantize(out, "--budget", "5bpw"), {"--tensor", "blk.[01].ffn=int3/32", "--work", place, "--json"}));
    return f.exit == 0 ? nlohmann::json::parse(f.out).at("predicted_kl").get<double>() : -1.0;
  };
  const double again = asked(work);
  EXPECT_EQ(again, asked(folder.file("fresh")));
  EXPECT_GT(again, 0.0);
  EXPECT_TRUE(std::filesystem::exists(work + "/key"));
}

TEST(QuantizeProgram, ADryRunSaysTheSizeAndLeavesNothing) {
  const Folder folder;
  const std::string out = folder.file("o.safetensors");
  const size_t before = names_in(".").size();
  for (const auto& [way, value] : {std::pair("--format", "int4/32"), std::pair("--budget", "5bpw")}) {
    const Finished dry = run(with(quantize(out, way, value), {"--dry-run", "--json"}));
    ASSERT_EQ(dry.exit, 0) << dry.err;
    EXPECT_TRUE(names_in(std::filesystem::path(out).parent_path()).empty());
    const Finished real = run(with(quantize(out, way, value), {"--threads", "0", "--json"}));
    ASSERT_EQ(real.exit, 0) << real.err;
    EXPECT_EQ(nlohmann::json::parse(dry.out).at("bytes"), nlohmann::json::parse(real.out).at("bytes"));
    std::filesystem::remove(out);
  }
  EXPECT_EQ(names_in(".").size(), before);
}

TEST(QuantizeProgram, NothingThatIsReadIsOverwritten) {
  const Folder folder;
  const std::string model = folder.file("m.safetensors"), link = folder.file("link.safetensors");
  ASSERT_EQ(run({"quantize", kModel, "-o", model, "--format", "bf16"}).exit, 0);
  const std::string bytes = read_file(model);
  std::filesystem::create_hard_link(model, link);
  for (const std::string& target : {model, link}) {
    const Finished f = run({"quantize", model, "-o", target, "--format", "q8_0"});
    EXPECT_EQ(f.exit, 1);
    EXPECT_NE(f.err.find("is the model that is read"), std::string::npos) << f.err;
  }
  const std::string other = folder.file("o.safetensors");
  for (const std::string& report : {model, other}) {
    const Finished f = run({"quantize", model, "-o", other, "--format", "q8_0", "--report", report});
    EXPECT_EQ(f.exit, 1) << f.err;
    EXPECT_FALSE(std::filesystem::exists(other));
  }
  EXPECT_TRUE(read_file(model) == bytes);
}

TEST(QuantizeProgram, WeightsThatAreNoNumbersAreNamed) {
  const Folder folder;
  const std::string model = folder.file("nan.gguf"), out = folder.file("o.safetensors");
  std::string bytes = read_file(kModel);
  // The data of the embedding begin at 32-byte steps behind the header: its rows hold the first weights of the file.
  for (size_t at = bytes.size() - 64; at + 4 <= bytes.size(); at += 4)
    bytes.replace(at, 4, std::string("\0\0\xc0\x7f", 4));
  std::ofstream(model, std::ios::binary) << bytes;
  std::vector<std::string> arguments = quantize(out, "--format", "int4/32");
  arguments[1] = model;
  const Finished f = run(arguments);
  EXPECT_EQ(f.exit, 1);
  EXPECT_NE(f.err.find("nan.gguf: tensor "), std::string::npos) << f.err;
  EXPECT_NE(f.err.find("holds a weight that is not finite"), std::string::npos) << f.err;
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
  EXPECT_NE(finished.err.find("(what is finished stays in "), std::string::npos) << finished.err;
  EXPECT_FALSE(std::filesystem::exists(out));
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(out).parent_path())) {
    EXPECT_EQ(entry.path().filename().string().find(".tmp"), std::string::npos) << entry.path();
  }
}

// One bit of every piece turned over: all is computed again, to the same bytes.
TEST(QuantizeProgram, DamagedPiecesAreMadeAgain) {
  const Folder folder;
  const std::string out = folder.file("o.safetensors"), work = folder.file("w");
  const std::vector<std::string> command = with(divided(folder, out, "5bpw"), {"--work", work, "--json"});
  ASSERT_EQ(run(command).exit, 0);
  const std::string expected = read_file(out);
  for (const std::string& name : names_in(work)) {
    if (!name.ends_with(".piece")) continue;
    std::string bytes = read_file(work + "/" + name);
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 4);
    std::ofstream(work + "/" + name, std::ios::binary) << bytes;
  }
  const Finished again = run(command);
  ASSERT_EQ(again.exit, 0) << again.err;
  EXPECT_EQ(nlohmann::json::parse(again.out).at("reused_tensors").get<int>(), 0);
  EXPECT_TRUE(read_file(out) == expected);
  const Finished third = run(command);
  EXPECT_GT(nlohmann::json::parse(third.out).at("reused_tensors").get<int>(), 0);
}

// The page says with which command it was made, all options in it.
TEST(QuantizeProgram, ThePageNamesTheWholeCommand) {
  const Folder folder;
  const std::string page = folder.file("p.html");
  const Finished f = run(with(quantize(folder.file("o.safetensors"), "--format", "int4/32"),
                              {"--method", "rtn", "--report", page, "--prompt", "hello", "--threads", "2"}));
  ASSERT_EQ(f.exit, 0) << f.err;
  const std::string html = read_file(page);
  EXPECT_NE(
      html.find("--method rtn --calibration-chunks 4 --context 64 --report " + page + " --prompt hello --threads 2"),
      std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(folder.file("o.safetensors.work")));
}

struct WrongCase {
  std::vector<std::string> arguments;
  int exit;
  std::string says;  // nothing that the command line holds
};

TEST(QuantizeProgram, WrongCommandsSayWhatIsWrong) {
  const Folder folder;
  const std::string out = folder.file("o.safetensors"), page = folder.file("p.html");
  const std::string short_text = folder.file("short.txt"), empty = folder.file("empty.txt");
  const std::string both = folder.file("both.toml"), bad = folder.file("bad.toml");
  std::ofstream(short_text) << "too short";
  std::ofstream(empty).flush();
  std::ofstream(both) << "format = \"q8_0\"\nbudget = \"4bpw\"\n";
  std::ofstream(bad) << "[[tensor]]\nmatch = \"([\"\nformat = \"q8_0\"\n";
  std::filesystem::create_directory(folder.file("mine"));
  std::ofstream(folder.file("mine") + "/thesis.tex") << "years";
  const std::vector<std::string> to = {"quantize", kModel, "-o", out};
  const WrongCase cases[] = {
      {with(to, {"--format", "int4/128:f17"}), 2,
       "column 10: found the unknown name \"f17\", expected a scale; nearest names: f16"},
      {with(to, {"--format", "mxfp44"}), 2, "nearest names: mxfp4"},
      {to, 2, "say what to make: --format F, --budget B or --recipe FILE"},
      {with(to, {"--format", "q8_0", "--method", "gtpq"}), 2, "is no method; there are nearest, rtn, gptq"},
      {with(to, {"--format", "q8_0", "--tensor", "([=q4_0"}), 2, "missing terminating ]"},
      {with(to, {"--format", "q8_0", "--tensor", "attn"}), 2, "expected REGEX=FORMAT"},
      {with(to, {"--format", "q8_0", "--tensor", "attn=q4_9"}), 2, "q4_0"},
      {{"quantize", "no-such-model", "-o", out, "--format", "q8_0", "--tensor", "([=q4_0"},
       2,
       "missing terminating ]"},
      {with(to, {"--format", "q8_0", "--tensor", "nowhere=q4_0"}), 1, "there are token_embd.weight, "},
      {with(to, {"--format", "q8_0", "--tensor", "norm=q4_0"}), 1, "is found in the name of no matrix"},
      {{"quantize", kModel, "--format", "q8_0"}, 2, "-o OUT is missing"},
      {with(to, {"--budget", "4.5bits"}), 2, "expected bits per weight or a size, as in 4.25bpw"},
      {{"quantize", "no-such-file.gguf", "-o", out, "--format", "q8_0"}, 1, "smollm2"},
      {with(to, {"--budget", "0.5bpw", "--text", kText, "--context", "64"}), 1, "the least is 2."},
      {with(to, {"--budget", "4bpw", "--text", short_text}), 1, "512"},
      {with(to, {"--budget", "4bpw", "--text", folder.file("none.txt")}), 1, "No such file"},
      {with(to, {"--budget", "4bpw", "--text", empty}), 1, "is empty, expected a text"},
      {with(to, {"--format", "q8_0", "--text", empty}), 1, "is empty, expected a text"},
      {with(to, {"--format", "q8_0", "--dry-run", "--report", page}), 2, "--dry-run makes nothing"},
      {with(to, {"--format", "q8_0", "--prompt", "hi"}), 2, "give --report"},
      {with(to, {"--format", "q8_0", "--eval-text", kText}), 2, "give --report"},
      {with(to, {"--format", "q8_0", "--report", page, "--eval-text", folder.file("no")}), 1, "No such file"},
      {with(to, {"--format", "q8_0", "--report", folder.file("no/p.html")}), 1, "cannot be written"},
      {with(to, {"--format", "q8_0", "--work", folder.file("mine")}), 1, "not empty and not a work folder of lowbit"},
      {with(to, {"--recipe", both}), 1, "line 2: budget: stands beside a format"},
      {with(to, {"--recipe", bad}), 1, "line 2: match: "},
      {with(to, {"--format", "q8_0", "--threads", "257"}), 2, "at most 256"},
      {{"eval", kModel, "--text", short_text}, 1, "--context"},
      {{"quantise", kModel}, 2, "quantize"},
      {{"quantize", kModel, "-o", "/dev/full/o.safetensors", "--format", "bf16"}, 1, "cannot be written"},
  };
  for (const WrongCase& wrong : cases) {
    const Finished finished = run(wrong.arguments);
    EXPECT_EQ(finished.exit, wrong.exit) << wrong.says << ": " << finished.err;
    EXPECT_NE(finished.err.find(wrong.says), std::string::npos) << finished.err;
    EXPECT_EQ(std::count(finished.err.begin(), finished.err.end(), '\n'), 1) << finished.err;
    EXPECT_TRUE(finished.out.empty()) << finished.out;
    EXPECT_FALSE(std::filesystem::exists(out));
  }
  EXPECT_TRUE(std::filesystem::exists(folder.file("mine") + "/thesis.tex"));
}

}  // namespace
}  // namespace lowbit::tests

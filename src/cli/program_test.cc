#include "cli/program.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "cli/command.h"
#include "cli/completion.h"
#include "cli/help.h"
#include "cli/version.h"

namespace lowbit::cli {
namespace {

struct Outcome {
  int status;
  std::string out, err;
};

Outcome program(const std::vector<std::string>& arguments) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  const int status = run_program(arguments);
  std::string out = testing::internal::GetCapturedStdout();
  return {status, std::move(out), testing::internal::GetCapturedStderr()};
}

void expect_one_sentence(const Outcome& outcome, int status) {
  EXPECT_EQ(outcome.status, status);
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(outcome.err.find("lowbit: "), 0u) << outcome.err;
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
}

TEST(ProgramTest, VersionIsThatOfTheBuild) {
  std::ifstream file("CMakeLists.txt");
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_NE(text.str().find(fmt::format("project(lowbit VERSION {} ", kVersion)), std::string::npos);
  const Outcome outcome = program({"--version"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.out, fmt::format("lowbit {}\n", kVersion));
}

TEST(ProgramTest, WrongUsageIsTwo) {
  expect_one_sentence(program({"pul"}), 2);
  EXPECT_NE(program({"pul"}).err.find("did you mean pull?"), std::string::npos);
  expect_one_sentence(program({"--verbose"}), 2);
  expect_one_sentence(program({"help", "pul"}), 2);
  expect_one_sentence(program({"completion"}), 2);
  expect_one_sentence(program({"completion", "tcsh"}), 2);
  EXPECT_EQ(program({}).status, 2);
  EXPECT_EQ(program({}).out, "");
  for (const Command& command : commands()) {
    const Outcome outcome = program({std::string(command.name), "--hlep"});
    expect_one_sentence(outcome, 2);
    EXPECT_NE(outcome.err.find("did you mean --help?"), std::string::npos) << outcome.err;
  }
}

TEST(ProgramTest, AnyOtherErrorIsOne) {
  for (const char* command : {"inspect", "tokenize", "chat"}) {
    expect_one_sentence(program({command, "/nonexistent/model.gguf"}), 1);
  }
  expect_one_sentence(program({"run", "/nonexistent/model.gguf", "-p", "x"}), 1);
  expect_one_sentence(program({"eval", "/nonexistent/model.gguf", "--text", "README.md"}), 1);
  expect_one_sentence(program({"eval", "CMakeLists.txt", "--text", "/nonexistent.txt"}), 1);
  expect_one_sentence(program({"inspect", "CMakeLists.txt", "--json"}), 1);
  expect_one_sentence(program({"pull", "no such model"}), 1);
  expect_one_sentence(program({"cast", "--format", "e2m1", "/nonexistent.npy", "/nonexistent/out.npy"}), 1);
  expect_one_sentence(program({"formats", "advise", "CMakeLists.txt", "--json"}), 1);
}

constexpr const char* kTiny = "goldens/tiny-llama.gguf";

TEST(ProgramTest, FormatsThatCannotBeComputedAreWrongUsage) {
  for (const char* option : {"--kv", "--activations"}) {
    for (const char* format : {"q4_1", "nvfp4", "int1/32:f32", "uint8"}) {
      const Outcome outcome = program({"run", kTiny, "-p", "x", option, format});
      expect_one_sentence(outcome, 2);
      EXPECT_NE(outcome.err.find(fmt::format("run: {}: format ", option)), std::string::npos) << outcome.err;
      EXPECT_EQ(program({"eval", kTiny, "--text", "README.md", option, format}).status, 2);
    }
  }
}

TEST(ProgramTest, ThreadsAreTheSameEverywhere) {
  int commands_with_threads = 0;
  for (const Command& command : commands()) {
    Options options;
    const Action action = command.declare(options);
    for (const OptionRow& row : options.rows()) {
      if (row.name != "--threads") continue;
      ++commands_with_threads;
      EXPECT_TRUE(row.set("0").ok() && row.set("256").ok()) << command.name;
      EXPECT_FALSE(row.set("257").ok()) << command.name;
      EXPECT_FALSE(row.set("-1").ok()) << command.name;
    }
  }
  EXPECT_EQ(commands_with_threads, 9);
}

TEST(ProgramTest, AReportThatCannotBeWrittenIsFoundBefore) {
  const auto eval = [](const std::string& report) {
    return program({"eval", kTiny, "--text", "CONTRIBUTING.md", "--chunks", "1", "--report", report});
  };
  expect_one_sentence(eval("/nonexistent/report.html"), 1);
  expect_one_sentence(eval("src"), 1);
  // What is only found at the end takes no figure away: a name of 300 letters.
  const Outcome late = eval(testing::TempDir() + "/" + std::string(300, 'x'));
  EXPECT_EQ(late.status, 1);
  EXPECT_NE(late.out.find("perplexity"), std::string::npos) << late.err;
}

TEST(ProgramTest, EvalTakesNoLongerContextThanTheModel) {
  const Outcome outcome = program({"eval", kTiny, "--text", "README.md", "--context", "100000"});
  expect_one_sentence(outcome, 1);
  EXPECT_NE(outcome.err.find("--context 100000 is more than the "), std::string::npos) << outcome.err;
}

TEST(ProgramTest, HelpNamesEverything) {
  const Outcome page = program({"--help"});
  EXPECT_EQ(page.status, 0);
  for (const Command& command : commands()) {
    const std::string name(command.name);
    EXPECT_NE(page.out.find("  " + name + " "), std::string::npos) << name;
    const Outcome own = program({name, "--help"});
    EXPECT_EQ(own.status, 0);
    EXPECT_EQ(own.out, program({"help", name}).out);
    Options options;
    const Action action = command.declare(options);
    for (const OptionRow& row : options.rows()) {
      EXPECT_NE(own.out.find(row.name), std::string::npos) << name << " " << row.name;
      EXPECT_FALSE(row.help.empty()) << name << " " << row.name;
    }
    std::istringstream lines(own.out);
    for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 100u) << line;
  }
}

TEST(ProgramTest, NamesOfOptionsAreUniqueAndDashed) {
  for (const Command& command : commands()) {
    Options options;
    const Action action = command.declare(options);
    std::vector<std::string> names;
    for (const OptionRow& row : options.rows()) {
      if (row.positional) continue;
      EXPECT_EQ(row.name.find("--"), 0u) << command.name << " " << row.name;
      names.push_back(row.name);
      if (!row.short_name.empty()) names.push_back(row.short_name);
    }
    std::sort(names.begin(), names.end());
    EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end()) << command.name;
    // Every command but completion, whose output is a script, has --json.
    EXPECT_EQ(std::count(names.begin(), names.end(), "--json"), command.name == "completion" ? 0 : 1) << command.name;
  }
}

TEST(CompletionTest, KnowsEveryCommandAndOption) {
  ASSERT_FALSE(shells().empty());
  for (const Shell& shell : shells()) {
    const std::string script = shell.script();
    EXPECT_EQ(program({"completion", std::string(shell.name)}).out, script);
    for (const Command& command : commands()) {
      EXPECT_NE(script.find(command.name), std::string::npos) << shell.name << " " << command.name;
      Options options;
      const Action action = command.declare(options);
      for (const OptionRow& row : options.rows()) {
        if (row.positional) continue;
        // fish writes "-l temp" for --temp.
        const std::string word = shell.name == "fish" ? " -l " + row.name.substr(2) : row.name;
        EXPECT_NE(script.find(word), std::string::npos) << shell.name << " " << command.name << " " << row.name;
      }
    }
    EXPECT_NE(script.find("mxfp4"), std::string::npos) << shell.name << ": formats are offered";
    EXPECT_NE(script.find("smollm2-135m"), std::string::npos) << shell.name << ": models are offered";
  }
}

// Runs the script in bash and asks for the completions of a line; words are separated by spaces.
std::string bash_completes(const std::string& line) {
  std::string words;
  std::istringstream stream(line);
  int count = 0;
  for (std::string word; stream >> word; ++count) words += "'" + word + "' ";
  if (line.back() == ' ') {
    words += "'' ";
    ++count;
  }
  const std::string path = testing::TempDir() + "/lowbit_completion_test.bash";
  std::ofstream(path) << shells()[0].script() << "COMP_WORDS=(" << words << ")\nCOMP_CWORD=" << count - 1
                      << "\n_lowbit\necho ${COMPREPLY[@]}\n";
  std::string out;
  FILE* pipe = popen(("bash " + path + " 2>&1").c_str(), "r");
  char block[4096];
  while (const size_t n = std::fread(block, 1, sizeof block, pipe)) out.append(block, n);
  EXPECT_EQ(pclose(pipe), 0) << out;
  return out;
}

TEST(CompletionTest, WorksInBash) {
  EXPECT_EQ(bash_completes("lowbit comp"), "completion\n");
  EXPECT_EQ(bash_completes("lowbit run --thr"), "--threads\n");
  EXPECT_EQ(bash_completes("lowbit run m --kv nvf"), "nvfp4\n");
  EXPECT_EQ(bash_completes("lowbit bench m --kv-hadamard kv"), "kv\n");
  EXPECT_EQ(bash_completes("lowbit pull gemma3"), "gemma3-270m\n");
  EXPECT_EQ(bash_completes("lowbit completion z"), "zsh\n");
  EXPECT_EQ(bash_completes("lowbit run m --temp "), "\n");
  EXPECT_EQ(bash_completes("lowbit formats adv"), "advise\n");
  EXPECT_EQ(bash_completes("lowbit formats compare e2m1 nvf"), "nvfp4\n");
  EXPECT_EQ(bash_completes("lowbit cast --round sr-e"), "sr-equal\n");
  EXPECT_EQ(bash_completes("lowbit cast --scale-rule four-o"), "four-over-six\n");
  EXPECT_EQ(bash_completes("lowbit cast READ"), "README.md\n");
}

}  // namespace
}  // namespace lowbit::cli

// Commands that the README and the other pages show exist, with the options they are shown with.
#include <gtest/gtest.h>

#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include "base/rng.h"
#include "io/npy.h"
#include "program.h"

namespace lowbit::tests {
namespace {

// Lines of fenced blocks that call the program: "lowbit ..." or "$ lowbit ...".
std::vector<std::string> shown_commands(const std::string& path) {
  std::vector<std::string> commands;
  std::istringstream text(read_file(path));
  bool fenced = false;
  for (std::string line; std::getline(text, line);) {
    if (line.rfind("```", 0) == 0) fenced = !fenced;
    if (!fenced) continue;
    if (line.rfind("$ ", 0) == 0) line = line.substr(2);
    if (line.rfind("lowbit ", 0) == 0) commands.push_back(line);
  }
  return commands;
}

// Names in the left column of a help page: "--temp", "-n".
std::set<std::string> options_of(const std::string& help) {
  std::set<std::string> names;
  std::istringstream lines(help);
  static const std::regex row("^  (?:(-[a-z]), )?(--[a-z][a-z-]*)(?: .*)?$");
  for (std::string line; std::getline(lines, line);) {
    std::smatch found;
    if (!std::regex_match(line, found, row)) continue;
    names.insert(found[2]);
    if (found[1].matched) names.insert(found[1]);
  }
  return names;
}

TEST(Readme, ShownCommandsAndOptionsExist) {
  int checked = 0;
  for (const char* path : {"README.md", "CONTRIBUTING.md", "src/quant/README.md", "docs/quality.md"}) {
    for (const std::string& line : shown_commands(path)) {
      std::istringstream words(line);
      std::string program, command;
      words >> program >> command;
      const Finished help = run({command, "--help"});
      ASSERT_EQ(help.exit, 0) << path << ": " << line << ": " << help.err;
      const std::set<std::string> known = options_of(help.out);
      ASSERT_TRUE(known.contains("--help")) << help.out;
      for (std::string word; words >> word;) {
        if (!std::regex_match(word, std::regex("--?[a-z][a-z-]*"))) continue;
        EXPECT_TRUE(known.contains(word)) << path << ": " << line << ": no option " << word;
        ++checked;
      }
    }
  }
  EXPECT_GT(checked, 3);
}

// Words of a shell line; double quotes keep spaces.
std::vector<std::string> words_of(const std::string& line) {
  std::vector<std::string> words(1);
  bool quoted = false;
  for (const char c : line) {
    if (c == '"') {
      quoted = !quoted;
    } else if (c == ' ' && !quoted) {
      words.emplace_back();
    } else {
      words.back() += c;
    }
  }
  return words;
}

// Every command of the README in its order, in a folder of its own, with tiny models in place of the real ones.
TEST(Readme, ItsCommandsRun) {
  const Folder folder;
  const std::string finetune = folder.file("my-finetune/");
  const Finished made = run({"quantize", "goldens/tiny-llama.gguf", "--format", "f32", "-o", finetune});
  ASSERT_EQ(made.exit, 0) << made.err;
  std::vector<float> numbers(4 * 256);
  Rng rng(1);
  for (float& x : numbers) x = static_cast<float>(rng.normal());
  ASSERT_TRUE(io::write_npy(folder.file("my.npy"), {{4, 256}, numbers}).ok());
  std::ofstream(folder.file("my.txt")) << read_file("share/text/evaluation.txt").substr(0, 20000);
  int count = 0;
  for (const std::string& line : shown_commands("README.md")) {
    std::vector<std::string> words = words_of(line);
    words.erase(words.begin());
    if (words[0] == "pull") words.resize(1);  // nothing from the network
    for (std::string& word : words) {
      if (word == "smollm2-135m") word = "goldens/tiny-llama.gguf";
      if (word.starts_with("smollm2-135m:")) word = "goldens/tiny-llama.gguf" + word.substr(word.find(':'));
      if (word == "my-finetune") word = finetune;
      if (word == "all-minilm") word = "goldens/sentences/tiny-bert.gguf";
      for (const char* file : {"small.safetensors", "q.safetensors", "small.gguf", "small-w4a16/", "report.html",
                               "my.txt", "my.npy", "cast.npy", "codes.npy", "formats.html"}) {
        if (word == file) word = folder.file(file);
      }
    }
    if (words[0] == "quantize") words.insert(words.end(), {"--calibration-chunks", "1"});
    if (words[0] == "quantize" && words.back() != "--dry-run")
      words.insert(words.end(), {"--work", folder.file("work")});
    if (words[0] == "bench" && words[1] != "formats")
      words.insert(words.end(), {"--seconds", "0.001", "--cold", "20"});
    const Finished done = run(words, {{"LOWBIT_CACHE", folder.file("cache")}});
    EXPECT_EQ(done.exit, 0) << line << ": " << done.err;
    ++count;
  }
  EXPECT_GT(count, 15);
}

}  // namespace
}  // namespace lowbit::tests

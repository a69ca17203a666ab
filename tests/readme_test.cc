// Commands that the README and the other pages show exist, with the options they are shown with.
#include <gtest/gtest.h>

#include <regex>
#include <sstream>

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

TEST(Readme, ShownCommandsAndOptionsExist) {
  int checked = 0;
  for (const char* path : {"README.md", "CONTRIBUTING.md", "src/quant/README.md", "docs/quality.md"}) {
    for (const std::string& line : shown_commands(path)) {
      std::istringstream words(line);
      std::string program, command;
      words >> program >> command;
      const Finished help = run({command, "--help"});
      ASSERT_EQ(help.exit, 0) << path << ": " << line << ": " << help.err;
      for (std::string word; words >> word;) {
        if (!std::regex_match(word, std::regex("--?[a-z][a-z-]*"))) continue;
        EXPECT_NE(help.out.find(word), std::string::npos) << path << ": " << line << ": no option " << word;
        ++checked;
      }
    }
  }
  EXPECT_GT(checked, 3);
}

}  // namespace
}  // namespace lowbit::tests

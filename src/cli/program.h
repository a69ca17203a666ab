// The program as a function: from arguments to an exit status.
#pragma once

#include <string>
#include <vector>

namespace lowbit::cli {

constexpr int kExitError = 1;
constexpr int kExitUsage = 2;

// arguments: without the program's name. Prints; returns 0, 1 (an error, said in one sentence) or 2 (wrong usage).
int run_program(const std::vector<std::string>& arguments);

}  // namespace lowbit::cli

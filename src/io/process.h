// Runs another program without a shell and collects what it prints.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace lowbit::io {

struct Process {
  std::vector<std::string> arguments;                            // arguments[0] is looked up in PATH
  std::vector<std::pair<std::string, std::string>> environment;  // set over the present environment
};

struct ProcessOutcome {
  int exit_code = 0;           // 128 + signal where a signal ended it
  std::string output, errors;  // the last 64 KiB of each
};

// Waits for the end of the program, calling tick about five times a second. An error where it cannot be started.
Result<ProcessOutcome> run_process(const Process& process, const std::function<void()>& tick = {});

// The last line that is not blank, without space around it.
std::string last_line(std::string_view text);

}  // namespace lowbit::io

// The commands: rows of commands.inc, each a file of its own.
#pragma once

#include <functional>
#include <span>
#include <string_view>

#include "base/result.h"
#include "cli/options.h"

namespace lowbit::cli {

// What a command does once its options are set. An error is the one sentence for standard error (exit 1).
using Action = std::function<Status()>;

struct Command {
  std::string_view name, summary;
  Action (*declare)(Options& options);
};
std::span<const Command> commands();

}  // namespace lowbit::cli

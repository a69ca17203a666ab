// Help pages, from the table of commands and their options.
#pragma once

#include <string>

#include "cli/command.h"

namespace lowbit::cli {

std::string program_help();
std::string command_help(const Command& command, const Options& options);

}  // namespace lowbit::cli

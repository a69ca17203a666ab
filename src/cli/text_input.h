// Texts that a command reads.
#pragma once

#include <string>

#include "base/result.h"

namespace lowbit::cli {

// All bytes of a file, unchanged; of standard input where path is "-". An error beyond 4 GB.
Result<std::string> read_input(const std::string& path);

}  // namespace lowbit::cli

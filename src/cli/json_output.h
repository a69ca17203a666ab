// The result of a command as JSON on standard output.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "cli/options.h"

namespace lowbit::cli {

using Json = nlohmann::json;

// One line; strings and keys that are no UTF-8 are repaired (U+FFFD), numbers that JSON cannot hold become null.
std::string json_text(const Json& value);

// json_text on standard output.
void print_json(const Json& value);

// Declares --json.
void add_json_option(Options& options, bool& target);

}  // namespace lowbit::cli

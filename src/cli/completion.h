// Completion scripts for shells, written from the table of commands and their options.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace lowbit::cli {

struct Shell {
  std::string_view name;
  std::string (*script)();
};
std::span<const Shell> shells();

}  // namespace lowbit::cli

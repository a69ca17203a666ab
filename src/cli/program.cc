#include "cli/program.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <new>

#include "base/cpu.h"
#include "base/nearest.h"
#include "cli/command.h"
#include "cli/help.h"
#include "cli/version.h"
#include "cost/known_limits.h"
#include "io/hub.h"

namespace lowbit::cli {

#define LOWBIT_COMMAND(name, summary) Action name##_command(Options& options);
#include "cli/commands.inc"
#undef LOWBIT_COMMAND

std::span<const Command> commands() {
  static constexpr Command kCommands[] = {
#define LOWBIT_COMMAND(name, summary) {#name, summary, name##_command},
#include "cli/commands.inc"
#undef LOWBIT_COMMAND
  };
  return kCommands;
}

namespace {

int complain(int status, std::string_view message) {
  std::fflush(stdout);
  fmt::print(stderr, "lowbit: {}\n", message);
  return status;
}

// What was printed must have arrived, on a full disk too.
int finish_output() {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return 0;
  if (errno == EPIPE) return 0;  // whoever read has read enough
  return complain(kExitError, fmt::format("standard output cannot be written: {}", std::strerror(errno)));
}

int unknown_command(const std::string& name) {
  std::vector<std::string_view> names;
  for (const Command& command : commands()) names.push_back(command.name);
  const std::string_view kind = name.substr(0, 1) == "-" ? "option" : "command";
  return complain(kExitUsage, fmt::format("unknown {} {}{} (lowbit --help lists the commands)", kind, name,
                                          did_you_mean(name, names)));
}

int known_kernel_choice(Isa isa, kernels::KernelQuestion question, int usual) {
  const auto folder = io::cache_folder();
  return cost::known_kernel_choice(isa, question, usual, folder.ok() ? *folder : std::string());
}

int execute(const Command& command, const std::vector<std::string>& arguments) {
  Options options;
  const Action action = command.declare(options);
  const Status parsed = options.parse(arguments);
  if (options.help_asked()) {
    fmt::print("{}", command_help(command, options));
    return finish_output();
  }
  if (!parsed.ok()) {
    return complain(kExitUsage,
                    fmt::format("{}: {} (lowbit {} --help)", command.name, parsed.message(), command.name));
  }
  if (const Status isa = check_isa_override(); !isa.ok()) return complain(kExitUsage, isa.message());
  kernels::set_kernel_choice_source(known_kernel_choice);
  const Status done = action();
  if (!done.ok()) return complain(kExitError, done.message());
  return finish_output();
}

}  // namespace

int run_program(const std::vector<std::string>& arguments) try {
  if (arguments.empty()) {
    fmt::print(stderr, "{}", program_help());
    return kExitUsage;
  }
  const std::string& first = arguments[0];
  if (first == "help" && arguments.size() == 2) return run_program({arguments[1], "--help"});
  if (first == "--help" || first == "-h" || first == "help") {
    fmt::print("{}", program_help());
    return finish_output();
  }
  if (first == "--version") {
    fmt::print("lowbit {}\n", kVersion);
    return finish_output();
  }
  for (const Command& command : commands()) {
    if (command.name == first) return execute(command, {arguments.begin() + 1, arguments.end()});
  }
  return unknown_command(first);
} catch (const std::bad_alloc&) {
  return complain(kExitError, "there is not enough memory");
} catch (const std::exception& problem) {
  return complain(kExitError, problem.what());
}

}  // namespace lowbit::cli

#include "io/process.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

extern char** environ;

namespace lowbit::io {
namespace {

constexpr size_t kKeptBytes = 64 << 10;
constexpr int kTickMilliseconds = 200;

// Both ends of a pipe, closed with the object and not passed on to children.
class Pipe {
 public:
  Pipe() = default;
  ~Pipe() {
    close(0);
    close(1);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  bool open() { return ::pipe2(ends_, O_CLOEXEC) == 0; }
  int end(int i) const { return ends_[i]; }
  void close(int i) {
    if (ends_[i] >= 0) ::close(std::exchange(ends_[i], -1));
  }
  // Takes what is there; at the end of the stream closes the reading end.
  void drain(std::string& into) {
    std::array<char, 4096> block;
    const ssize_t got = ::read(ends_[0], block.data(), block.size());
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (got <= 0) return close(0);
    into.append(block.data(), static_cast<size_t>(got));
    if (into.size() > 2 * kKeptBytes) into.erase(0, into.size() - kKeptBytes);
  }

 private:
  int ends_[2] = {-1, -1};
};

std::vector<std::string> full_environment(const Process& process) {
  std::vector<std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const auto is_set = [&](const auto& pair) { return text.starts_with(pair.first + "="); };
    if (std::ranges::none_of(process.environment, is_set)) all.emplace_back(text);
  }
  for (const auto& [name, value] : process.environment) all.push_back(name + "=" + value);
  return all;
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> list;
  for (std::string& s : strings) list.push_back(s.data());
  list.push_back(nullptr);
  return list;
}

Result<pid_t> start(const Process& process, const Pipe& output, const Pipe& errors) {
  std::vector<std::string> arguments = process.arguments, environment = full_environment(process);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, output.end(1), STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, errors.end(1), STDERR_FILENO);
  pid_t child = 0;
  const int code = ::posix_spawnp(&child, arguments[0].c_str(), &actions, nullptr, pointers(arguments).data(),
                                  pointers(environment).data());
  ::posix_spawn_file_actions_destroy(&actions);
  if (code != 0) return errorf("{} cannot be started: {}", process.arguments[0], std::strerror(code));
  return child;
}

}  // namespace

Result<ProcessOutcome> run_process(const Process& process, const std::function<void()>& tick) {
  LOWBIT_CHECK(!process.arguments.empty());
  Pipe output, errors;
  if (!output.open() || !errors.open())
    return errorf("no pipe for {}: {}", process.arguments[0], std::strerror(errno));
  LOWBIT_ASSIGN(const pid_t child, start(process, output, errors));
  output.close(1);
  errors.close(1);
  ProcessOutcome outcome;
  while (output.end(0) >= 0 || errors.end(0) >= 0) {
    pollfd waits[2] = {{output.end(0), POLLIN, 0}, {errors.end(0), POLLIN, 0}};
    if (::poll(waits, 2, kTickMilliseconds) > 0) {
      if (waits[0].revents != 0) output.drain(outcome.output);
      if (waits[1].revents != 0) errors.drain(outcome.errors);
    }
    if (tick) tick();
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return errorf("{} was lost: {}", process.arguments[0], std::strerror(errno));
  }
  outcome.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return outcome;
}

std::string last_line(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const size_t end = text.find_last_not_of(kBlank);
  if (end == std::string_view::npos) return {};
  text = text.substr(0, end + 1);
  const size_t line = text.find_last_of('\n');
  text = line == std::string_view::npos ? text : text.substr(line + 1);
  return std::string(text.substr(std::min(text.find_first_not_of(kBlank), text.size())));
}

}  // namespace lowbit::io

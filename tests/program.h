// Runs the built program as a user would: arguments in, exit code and both outputs back.
#pragma once

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

extern char** environ;

namespace lowbit::tests {

// A folder of its own, deleted at the end.
class Folder {
 public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "lowbit-test-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

inline std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream all;
  all << in.rdbuf();
  return all.str();
}

struct Finished {
  int exit = -1;  // -1: ended by a signal
  int signal = 0;
  std::string out, err;
};

// A running program with its output in files.
class Program {
 public:
  Program(const Folder& folder, const std::vector<std::string>& arguments,
          const std::map<std::string, std::string>& variables = {}, const std::string& input = "/dev/null")
      : out_(folder.file("stdout")), err_(folder.file("stderr")) {
    std::vector<std::string> all = {LOWBIT_PROGRAM};
    all.insert(all.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    for (std::string& a : all) argv.push_back(a.data());
    argv.push_back(nullptr);
    std::vector<std::string> settings;
    for (char** e = environ; *e != nullptr; ++e) settings.emplace_back(*e);
    for (const auto& [name, value] : variables) settings.push_back(name + "=" + value);
    std::vector<char*> envp;
    for (std::string& s : settings) envp.push_back(s.data());
    envp.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, input.c_str(), O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, out_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_addopen(&actions, 2, err_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (::posix_spawn(&pid_, LOWBIT_PROGRAM, &actions, nullptr, argv.data(), envp.data()) != 0) pid_ = -1;
    posix_spawn_file_actions_destroy(&actions);
  }

  void kill() const { ::kill(pid_, SIGKILL); }
  void interrupt() const { ::kill(pid_, SIGINT); }

  // Waits until the program has a handler for SIGINT; false where it ends before.
  bool catches_interrupts() const {
    for (;; ::usleep(2000)) {
      const std::string status = read_file("/proc/" + std::to_string(pid_) + "/status");
      const size_t at = status.find("SigCgt:");
      if (at == std::string::npos || status.find("State:\tZ") != std::string::npos) return false;
      if ((std::stoull(status.substr(at + 7), nullptr, 16) >> (SIGINT - 1) & 1) != 0) return true;
    }
  }
  // Waits until something stands on standard output; false where the program ends before.
  bool has_output() const {
    for (;; ::usleep(2000)) {
      if (!read_file(out_).empty()) return true;
      const std::string status = read_file("/proc/" + std::to_string(pid_) + "/status");
      if (status.empty() || status.find("State:\tZ") != std::string::npos) return false;
    }
  }

  Finished wait() const {
    Finished result;
    int status = 0;
    ::waitpid(pid_, &status, 0);
    if (WIFEXITED(status)) result.exit = WEXITSTATUS(status);
    if (WIFSIGNALED(status)) result.signal = WTERMSIG(status);
    result.out = read_file(out_);
    result.err = read_file(err_);
    return result;
  }

 private:
  std::string out_, err_;
  pid_t pid_ = -1;
};

inline Finished run(const std::vector<std::string>& arguments,
                    const std::map<std::string, std::string>& variables = {}) {
  const Folder folder;
  return Program(folder, arguments, variables).wait();
}

}  // namespace lowbit::tests

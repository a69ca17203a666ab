// Where `quantize` writes: looked at before any work, so that nothing fails at the end of an hour.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace lowbit::cli {

// The name of an output as its kind ends: a folder that is there already gets a slash.
std::string with_ending(const std::string& out);

// OUT.work; beside a folder, not in it.
std::string work_beside(const std::string& out);

struct QuantizePaths {
  std::string out, report;                                // empty: not written
  std::vector<std::pair<std::string, std::string>> read;  // what it is ("the model"), path; empty paths are skipped
};

// An error where an output is one of the files that are read, or the other output, or cannot be made in its folder.
Status check_paths(const QuantizePaths& paths);

// Deletes OUT.tmp-PID files (not of folders, whose writer does it) whose process is gone: what a killed run left.
void delete_leftovers(const std::string& out);

// A folder that is deleted with all that is in it.
class TemporaryFolder {
 public:
  static Result<TemporaryFolder> make();
  TemporaryFolder(TemporaryFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  TemporaryFolder& operator=(TemporaryFolder&&) = delete;
  ~TemporaryFolder();
  const std::string& path() const { return path_; }

 private:
  explicit TemporaryFolder(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace lowbit::cli

#include "cli/quantize_paths.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>

#include "models/written_kinds.h"

namespace lowbit::cli {
namespace {

namespace fs = std::filesystem;

// The same file, or the same name where there is none yet.
bool same_file(const std::string& a, const std::string& b) {
  std::error_code failed;
  if (fs::equivalent(a, b, failed) && !failed) return true;
  const fs::path left = fs::weakly_canonical(fs::absolute(a, failed), failed),
                 right = fs::weakly_canonical(fs::absolute(b, failed), failed);
  return !failed && !left.empty() && left == right;
}

// Makes a file beside `path` and deletes it.
Status check_writable(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  const std::string trial = fmt::format("{}.tmp-{}", path, ::getpid());
  const int fd = ::open(trial.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd < 0) return errorf("{}: cannot be written: {}", path, std::strerror(errno));
  ::close(fd);
  ::unlink(trial.c_str());
  return {};
}

}  // namespace

std::string with_ending(const std::string& out) {
  std::error_code failed;
  const bool folder = !out.empty() && out.back() != '/' && fs::is_directory(out, failed);
  return folder ? out + "/" : out;
}

std::string work_beside(const std::string& out) {
  std::string name = out;
  while (name.size() > 1 && name.back() == '/') name.pop_back();
  return name + ".work";
}

Status check_paths(const QuantizePaths& paths) {
  if (!paths.out.empty() && !paths.report.empty() && same_file(paths.out, paths.report)) {
    return errorf("{}: is the model to write and the report too", paths.out);
  }
  for (const std::string* output : {&paths.out, &paths.report}) {
    if (output->empty()) continue;
    for (const auto& [what, path] : paths.read) {
      if (path.empty() || path == "-" || !same_file(*output, path)) continue;
      return errorf("{}: is {}; it would be overwritten", *output, what);
    }
    const io::WrittenKind* kind = output == &paths.out ? models::written_kind(*output) : nullptr;
    std::error_code failed;
    if (kind != nullptr && kind->check_path != nullptr) {
      LOWBIT_TRY(kind->check_path(*output));
    } else if (fs::is_directory(*output, failed)) {
      return errorf("{}: is a folder, expected a file to write", *output);
    }
    LOWBIT_TRY(check_writable(*output));
  }
  return {};
}

void delete_leftovers(const std::string& out) {
  std::error_code failed;
  const fs::path target(out);
  if (!target.has_filename()) return;
  const fs::path folder = target.has_parent_path() ? target.parent_path() : fs::path(".");
  const std::string prefix = target.filename().string() + ".tmp-";
  for (fs::directory_iterator at(folder, failed), end; !failed && at != end; at.increment(failed)) {
    const std::string name = at->path().filename().string();
    if (!name.starts_with(prefix)) continue;
    pid_t pid = 0;
    const char* last = name.data() + name.size();
    const auto [stop, problem] = std::from_chars(name.data() + prefix.size(), last, pid);
    if (problem != std::errc() || stop != last || pid <= 0) continue;
    if (::kill(pid, 0) == 0 || errno != ESRCH) continue;
    std::error_code ignored;
    fs::remove(at->path(), ignored);
  }
}

Result<TemporaryFolder> TemporaryFolder::make() {
  std::error_code failed;
  const fs::path root = fs::temp_directory_path(failed);
  if (failed) return errorf("there is no folder for temporary files: {}", failed.message());
  std::string pattern = (root / "lowbit-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr)
    return errorf("{}: cannot make a folder: {}", pattern, std::strerror(errno));
  return TemporaryFolder(std::move(pattern));
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  if (!path_.empty()) fs::remove_all(path_, ignored);
}

}  // namespace lowbit::cli

#include "io/scratch_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>

namespace lowbit::io {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLock = "/lock";

// Whether a process that lives has made it. A folder without a lock is from one that was killed while making it.
bool is_held(const std::string& folder) {
  const int fd = ::open((folder + kLock).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return errno != ENOENT;
  const bool held = ::flock(fd, LOCK_EX | LOCK_NB) != 0;
  ::close(fd);
  return held;
}

void remove_abandoned(const std::string& parent, const std::string& prefix) {
  std::error_code error;
  for (fs::directory_iterator it(parent, error), end; !error && it != end; it.increment(error)) {
    std::error_code ignored;
    if (!it->path().filename().string().starts_with(prefix + "-") || it->is_symlink(ignored)) continue;
    if (it->is_directory(ignored) && !is_held(it->path())) fs::remove_all(it->path(), ignored);
  }
}

}  // namespace

Result<ScratchFolder> ScratchFolder::make(const std::string& parent, const std::string& prefix) {
  // One process at a time, so that none removes a folder that another has made and not yet locked.
  const int gate = ::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (gate >= 0 && ::flock(gate, LOCK_EX) == 0) remove_abandoned(parent, prefix);
  ScratchFolder folder;
  std::string path = fmt::format("{}/{}-XXXXXX", parent, prefix);
  const bool made = ::mkdtemp(path.data()) != nullptr;
  const int problem = errno;
  if (made) {
    folder.path_ = path;
    folder.lock_ = ::open((path + kLock).c_str(), O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
    if (folder.lock_ >= 0) (void)::flock(folder.lock_, LOCK_EX | LOCK_NB);
  }
  if (gate >= 0) ::close(gate);
  if (!made) return errorf("{}: no folder can be made in it: {}", parent, std::strerror(problem));
  return folder;
}

ScratchFolder::ScratchFolder(ScratchFolder&& other) noexcept
    : path_(std::exchange(other.path_, {})), lock_(std::exchange(other.lock_, -1)) {}

ScratchFolder& ScratchFolder::operator=(ScratchFolder&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(lock_, other.lock_);
  return *this;
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  if (!path_.empty()) fs::remove_all(path_, ignored);
  if (lock_ >= 0) ::close(lock_);
}

}  // namespace lowbit::io

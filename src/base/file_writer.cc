#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "base/bits.h"
#include "base/file.h"

namespace lowbit {
namespace {

constexpr size_t kBufferBytes = 1 << 20;
constexpr int kMostLinks = 40;  // as the system has it
constexpr std::string_view kTemporary = ".tmp-";

Error system_error(std::string_view action, const std::string& path) {
  return errorf("{}: cannot {}: {}", path, action, std::strerror(errno));
}

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// Where links at the end of the path lead, whether or not that exists.
std::string follow_links(std::string path) {
  for (int i = 0; i < kMostLinks; ++i) {
    char to[PATH_MAX];
    const ssize_t length = ::readlink(path.c_str(), to, sizeof to);
    if (length <= 0 || length == sizeof to) break;
    const std::string_view next(to, static_cast<size_t>(length));
    path = next[0] == '/' ? std::string(next) : fmt::format("{}/{}", folder_of(path), next);
  }
  return path;
}

// Nobody writes it any more: its process is gone, and no process of another container holds it either.
bool is_abandoned(const std::string& path, std::string_view pid_text) {
  pid_t pid = 0;
  const auto [end, problem] = std::from_chars(pid_text.data(), pid_text.data() + pid_text.size(), pid);
  if (problem != std::errc() || end != pid_text.data() + pid_text.size() || pid <= 0) return false;
  if (pid != ::getpid() && (::kill(pid, 0) == 0 || errno != ESRCH)) return false;
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return false;
  const bool free = ::flock(fd, LOCK_EX | LOCK_NB) == 0;
  ::close(fd);
  return free;
}

// Removes what killed writers of this target left beside it.
void remove_abandoned(const std::string& target) {
  const std::string folder = folder_of(target);
  const std::string prefix = target.substr(target.rfind('/') + 1).append(kTemporary);  // npos + 1 is 0
  const std::unique_ptr<DIR, int (*)(DIR*)> entries(::opendir(folder.c_str()), ::closedir);
  if (entries == nullptr) return;
  while (const dirent* entry = ::readdir(entries.get())) {
    const std::string_view name = entry->d_name;
    if (!name.starts_with(prefix)) continue;
    const std::string path = fmt::format("{}/{}", folder, name);
    if (is_abandoned(path, name.substr(prefix.size()))) ::unlink(path.c_str());
  }
}

}  // namespace

Result<FileWriter> FileWriter::create(const std::string& path) {
  FileWriter writer;
  writer.path_ = path;
  writer.target_ = follow_links(path);
  struct stat info{};
  const bool exists = ::stat(path.c_str(), &info) == 0;
  if (exists && S_ISDIR(info.st_mode)) return errorf("{}: a folder, expected the name of a file", path);
  if (exists && !S_ISREG(info.st_mode)) {
    writer.fd_ = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    if (writer.fd_ < 0) return system_error("write", path);
  } else {
    remove_abandoned(writer.target_);
    writer.temporary_ = fmt::format("{}{}{}", writer.target_, kTemporary, ::getpid());
    writer.fd_ = ::open(writer.temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (writer.fd_ < 0) return system_error("create", writer.temporary_);
    (void)::flock(writer.fd_, LOCK_EX | LOCK_NB);  // for is_abandoned
  }
  writer.buffer_.reserve(kBufferBytes);
  return writer;
}

FileWriter::FileWriter(FileWriter&& other) noexcept { *this = std::move(other); }

FileWriter& FileWriter::operator=(FileWriter&& other) noexcept {
  if (this != &other) {
    abandon();
    path_ = std::move(other.path_);
    target_ = std::move(other.target_);
    temporary_ = std::move(other.temporary_);
    buffer_ = std::move(other.buffer_);
    offset_ = other.offset_;
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

FileWriter::~FileWriter() { abandon(); }

void FileWriter::abandon() {
  if (fd_ < 0) return;
  ::close(fd_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
  fd_ = -1;
}

Status FileWriter::flush() {
  const char* data = buffer_.data();
  size_t left = buffer_.size();
  while (left > 0) {
    const ssize_t put = ::write(fd_, data, left);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return system_error("write", path_);
    data += put;
    left -= static_cast<size_t>(put);
  }
  buffer_.clear();
  return {};
}

Status FileWriter::write(std::span<const std::byte> bytes) {
  return write(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

Status FileWriter::write(std::string_view text) {
  LOWBIT_CHECK(fd_ >= 0);
  offset_ += text.size();
  while (!text.empty()) {
    const size_t part = std::min(text.size(), kBufferBytes - buffer_.size());
    buffer_.append(text.substr(0, part));
    text.remove_prefix(part);
    if (buffer_.size() == kBufferBytes) LOWBIT_TRY(flush());
  }
  return {};
}

Status FileWriter::pad_to(uint64_t alignment) {
  const uint64_t missing = (alignment - offset_ % alignment) % alignment;
  return write(std::string(missing, '\0'));
}

Status FileWriter::seek(uint64_t offset) {
  LOWBIT_CHECK(!temporary_.empty());
  if (offset == offset_) return {};
  LOWBIT_TRY(flush());
  if (::lseek(fd_, static_cast<off_t>(offset), SEEK_SET) < 0) return system_error("write", path_);
  offset_ = offset;
  return {};
}

Status FileWriter::commit() {
  LOWBIT_TRY(flush());
  if (temporary_.empty()) {  // devices and pipes know no fsync
    return ::close(std::exchange(fd_, -1)) == 0 ? Status() : system_error("write", path_);
  }
  if (::fsync(fd_) != 0) return system_error("write", path_);
  if (::close(std::exchange(fd_, -1)) != 0 || ::rename(temporary_.c_str(), target_.c_str()) != 0) {
    const Error error = system_error("write", path_);
    ::unlink(temporary_.c_str());
    return error;
  }
  return {};
}

Status write_text_file(const std::string& path, std::string_view text) {
  LOWBIT_ASSIGN(FileWriter writer, FileWriter::create(path));
  LOWBIT_TRY(writer.write(text));
  return writer.commit();
}

}  // namespace lowbit

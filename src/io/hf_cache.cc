#include "io/hf_cache.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/file.h"
#include "io/hf_name.h"

namespace lowbit::io {
namespace {

namespace fs = std::filesystem;

constexpr useconds_t kPoll = 100'000;  // microseconds
constexpr uint64_t kMostToken = 4096;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == text.npos) return {};
  return std::string(text.substr(begin, text.find_last_not_of(" \t\r\n") + 1 - begin));
}

// Where Hugging Face's programs keep everything; empty where no variable says.
std::string hf_home() {
  if (std::string own = variable("HF_HOME"); !own.empty()) return own;
  if (std::string user = variable("XDG_CACHE_HOME"); !user.empty()) return user + "/huggingface";
  if (std::string home = variable("HOME"); !home.empty()) return home + "/.cache/huggingface";
  return {};
}

Status make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return errorf("{}: cannot be made: {}", folder.string(), error.message());
  return {};
}

// Whether the open file is still the one under that name: whoever had the lock may have deleted it.
bool is_under_name(int fd, const std::string& path) {
  struct stat open_file{}, named{};
  return ::fstat(fd, &open_file) == 0 && ::stat(path.c_str(), &named) == 0 && open_file.st_dev == named.st_dev &&
         open_file.st_ino == named.st_ino;
}

}  // namespace

Result<std::string> hf_cache_folder() {
  for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"}) {
    if (std::string own = variable(name); !own.empty()) return own;
  }
  if (std::string home = hf_home(); !home.empty()) return home + "/hub";
  return Error{"no Hugging Face cache: none of HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME and HOME is set"};
}

Result<std::string> hf_token() {
  std::string source = "HF_TOKEN", token = trimmed(variable("HF_TOKEN"));
  if (token.empty()) {
    source = variable("HF_TOKEN_PATH");
    if (source.empty()) source = hf_home() + "/token";
    std::error_code failed;
    if (!fs::is_regular_file(source, failed)) return std::string();
    LOWBIT_ASSIGN(const std::string text, read_text_file(source, kMostToken));
    token = trimmed(text);
  }
  const bool plain = std::ranges::all_of(token, [](char c) { return c > 0x20 && c < 0x7F; });
  if (!plain || token.size() > kMostToken) return errorf("{}: holds no token of a Hugging Face hub", source);
  return token;
}

bool hf_is_offline() {
  std::string value = variable("HF_HUB_OFFLINE");
  std::ranges::transform(value, value.begin(), [](char c) { return c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c; });
  return value == "1" || value == "ON" || value == "YES" || value == "TRUE";
}

Result<HfLock> HfLock::take(const std::string& path, const std::atomic<bool>& stop) {
  HfLock lock;
  while (!stop.load()) {
    if (lock.fd_ < 0) lock.fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (lock.fd_ < 0) return errorf("{}: cannot open: {}", path, std::strerror(errno));
    const bool held = ::flock(lock.fd_, LOCK_EX | LOCK_NB) == 0;
    if (held && is_under_name(lock.fd_, path)) return lock;
    if (!held && errno != EWOULDBLOCK && errno != EINTR) {
      return errorf("{}: cannot be locked: {}", path, std::strerror(errno));
    }
    if (!held) ::usleep(kPoll);
    ::close(std::exchange(lock.fd_, -1));
  }
  return errorf("{}: not waited for", path);
}

HfLock::HfLock(HfLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

HfLock& HfLock::operator=(HfLock&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

HfLock::~HfLock() {
  if (fd_ >= 0) ::close(fd_);
}

HfRepo::HfRepo(const std::string& cache, std::string_view repo) {
  std::string name = "models--";
  for (const char c : repo) name += c == '/' ? "--" : std::string(1, c);
  folder_ = fmt::format("{}/{}", cache, name);
  locks_ = fmt::format("{}/.locks/{}", cache, name);
}

std::string HfRepo::blob(std::string_view hash) const { return fmt::format("{}/blobs/{}", folder_, hash); }
std::string HfRepo::incomplete(std::string_view hash) const { return blob(hash) + ".incomplete"; }
std::string HfRepo::lock(std::string_view hash) const { return fmt::format("{}/{}.lock", locks_, hash); }
std::string HfRepo::snapshot(std::string_view commit) const {
  return fmt::format("{}/snapshots/{}", folder_, commit);
}
std::string HfRepo::file(std::string_view commit, std::string_view name) const {
  return fmt::format("{}/{}", snapshot(commit), name);
}

bool HfRepo::has(std::string_view commit, std::string_view name) const {
  std::error_code failed;
  return fs::is_regular_file(file(commit, name), failed);
}

std::string HfRepo::commit_of(std::string_view revision) const {
  if (is_sha1(revision)) return std::string(revision);
  const std::string path = fmt::format("{}/refs/{}", folder_, revision);
  std::error_code failed;
  if (!fs::is_regular_file(path, failed)) return {};
  const auto text = read_text_file(path, 4096);
  std::string commit = text.ok() ? trimmed(*text) : std::string();
  return is_sha1(commit) ? commit : std::string();
}

std::vector<std::string> HfRepo::files(std::string_view commit) const {
  std::vector<std::string> names;
  const fs::path folder = snapshot(commit);
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::error_code failed;
    if (it->is_regular_file(failed)) names.push_back(it->path().lexically_relative(folder).string());
  }
  std::ranges::sort(names);
  return names;
}

Status HfRepo::make_folders() const {
  LOWBIT_TRY(make_folder(folder_ + "/blobs"));
  LOWBIT_TRY(make_folder(folder_ + "/refs"));
  return make_folder(locks_);
}

Status HfRepo::link(std::string_view commit, std::string_view name, std::string_view hash) const {
  const fs::path path = file(commit, name);
  LOWBIT_TRY(make_folder(path.parent_path()));
  // From the file's folder up to the repository's: "snapshots", the commit, and the folders of the name.
  std::string to = "../../";
  for (const char c : name) to += c == '/' ? "../" : "";
  to += fmt::format("blobs/{}", hash);
  const std::string temporary = fmt::format("{}.tmp-{}", path.string(), ::getpid());
  ::unlink(temporary.c_str());
  if (::symlink(to.c_str(), temporary.c_str()) != 0 || ::rename(temporary.c_str(), path.c_str()) != 0) {
    const int problem = errno;
    ::unlink(temporary.c_str());
    return errorf("{}: cannot be made: {}", path.string(), std::strerror(problem));
  }
  return {};
}

Status HfRepo::set_revision(std::string_view revision, std::string_view commit) const {
  if (is_sha1(revision) || commit_of(revision) == commit) return {};
  const fs::path path = fmt::format("{}/refs/{}", folder_, revision);
  LOWBIT_TRY(make_folder(path.parent_path()));
  return write_text_file(path.string(), commit);
}

}  // namespace lowbit::io

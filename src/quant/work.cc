#include "quant/work.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <set>

namespace lowbit::quant {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMostKeyBytes = 1 << 20;
constexpr size_t kDigestBytes = 64;  // hexadecimal
constexpr std::string_view kKey = "key", kLock = "lock", kPiece = ".piece";
constexpr std::string_view kKeyBegins = "lowbit work folder\n";
constexpr int kLockAttempts = 100;

// What an interrupted writer leaves: NAME.tmp-PID.
std::string_view without_writer(std::string_view name) {
  const size_t at = name.rfind(".tmp-");
  if (at == std::string_view::npos) return name;
  const std::string_view digits = name.substr(at + 5);
  const bool number =
      !digits.empty() && std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; });
  return number ? name.substr(0, at) : name;
}

bool is_ours(std::string_view name) {
  const std::string_view base = without_writer(name);
  return base == kKey || base == kLock || base.ends_with(kPiece);
}

Error system_error(const std::string& path, std::string_view action) {
  return errorf("{}: cannot {}: {}", path, action, std::strerror(errno));
}

Status unlink_file(const std::string& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return system_error(path, "delete");
  return {};
}

Result<std::vector<std::string>> names_in(const std::string& path) {
  std::vector<std::string> names;
  std::error_code failed;
  for (fs::directory_iterator at(path, failed), end; !failed && at != end; at.increment(failed)) {
    names.push_back(at->path().filename().string());
  }
  if (failed) return errorf("{}: cannot read the folder: {}", path, failed.message());
  std::sort(names.begin(), names.end());
  return names;
}

// Empty, with our key, or with nothing but files of ours (a job was killed while it deleted them).
Status check_ours(const std::string& path) {
  LOWBIT_ASSIGN(const std::vector<std::string> names, names_in(path));
  const auto key = read_text_file(path + "/" + std::string(kKey), kMostKeyBytes);
  if (key.ok() && key->starts_with(kKeyBegins)) return {};
  const auto piece_of_ours = [](const std::string& name) { return name != kKey && is_ours(name); };
  if (std::all_of(names.begin(), names.end(), piece_of_ours)) return {};
  return errorf("{}: not empty and not a work folder of lowbit", path);
}

bool is_whole(const MappedFile& file) {
  const auto bytes = file.bytes();
  if (bytes.size() < kDigestBytes) return false;
  const std::string digest = sha256_hex(bytes.first(bytes.size() - kDigestBytes));
  return std::memcmp(digest.data(), bytes.data() + bytes.size() - kDigestBytes, kDigestBytes) == 0;
}

// A locked descriptor of the lock file that stands under its name now (a job that ended may have deleted an older
// one).
Result<int> take_lock(const std::string& folder) {
  const std::string path = folder + "/" + std::string(kLock);
  for (int attempt = 0; attempt < kLockAttempts; ++attempt) {
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) return system_error(path, "open");
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
      const int reason = errno;
      ::close(fd);
      if (reason == EWOULDBLOCK) return errorf("{} is in use by another lowbit", folder);
      errno = reason;
      return system_error(path, "lock");
    }
    struct stat held{}, named{};
    if (::fstat(fd, &held) == 0 && ::stat(path.c_str(), &named) == 0 && held.st_ino == named.st_ino &&
        held.st_dev == named.st_dev) {
      return fd;
    }
    ::close(fd);
  }
  return errorf("{} is in use by another lowbit", folder);
}

}  // namespace

std::span<const std::byte> WorkPiece::bytes() const {
  return file_.bytes().first(file_.bytes().size() - kDigestBytes);
}

struct WorkFolder::State {
  int lock = -1;
  std::set<std::string> whole;
  ~State() {
    if (lock >= 0) ::close(lock);
  }
};

Result<WorkFolder> WorkFolder::open(const std::string& path, const std::string& key) {
  WorkFolder folder;
  folder.path_ = path;
  folder.state_ = std::make_shared<State>();
  std::error_code failed;
  fs::create_directories(path, failed);
  if (failed) return errorf("{}: cannot make the work folder: {}", path, failed.message());
  LOWBIT_TRY(check_ours(path));
  LOWBIT_ASSIGN(folder.state_->lock, take_lock(path));
  LOWBIT_TRY(check_ours(path));
  const std::string key_file = path + "/" + std::string(kKey), text = std::string(kKeyBegins) + key;
  const Result<std::string> found = read_text_file(key_file, kMostKeyBytes);
  if (found.ok() && *found == text) {
    folder.resumed_ = true;
    LOWBIT_ASSIGN(const std::vector<std::string> names, names_in(path));
    for (const std::string& name : names) {
      if (is_ours(name) && without_writer(name) != name) LOWBIT_TRY(unlink_file(path + "/" + name));
    }
    return folder;
  }
  LOWBIT_TRY(folder.clear());
  LOWBIT_TRY(write_text_file(key_file, text));
  return folder;
}

// The key first: a folder that is only half emptied when the job is killed has none.
Status WorkFolder::clear() const {
  LOWBIT_TRY(unlink_file(path_ + "/" + std::string(kKey)));
  LOWBIT_ASSIGN(const std::vector<std::string> names, names_in(path_));
  for (const std::string& name : names) {
    if (is_ours(name) && name != kLock) LOWBIT_TRY(unlink_file(path_ + "/" + name));
  }
  state_->whole.clear();
  return {};
}

bool WorkFolder::empty() const {
  const auto names = names_in(path_);
  return names.ok() &&
         std::none_of(names->begin(), names->end(), [](const std::string& n) { return n.ends_with(kPiece); });
}

bool WorkFolder::has(const std::string& piece) const {
  if (state_->whole.contains(piece)) return true;
  std::error_code failed;
  if (!fs::is_regular_file(file(piece), failed)) return false;
  const auto found = MappedFile::open(file(piece));
  if (!found.ok() || !is_whole(*found)) {
    ::unlink(file(piece).c_str());
    return false;
  }
  state_->whole.insert(piece);
  return true;
}

Result<WorkPiece> WorkFolder::read(const std::string& piece) const {
  if (!has(piece)) return errorf("{}: is missing or was damaged; the same command makes it again", file(piece));
  LOWBIT_ASSIGN(MappedFile found, MappedFile::open(file(piece)));
  if (found.bytes().size() < kDigestBytes) return errorf("{}: was cut while it was in use", file(piece));
  return WorkPiece(std::move(found));
}

Status WorkFolder::write(const std::string& piece, std::span<const std::byte> bytes) const {
  state_->whole.erase(piece);
  LOWBIT_ASSIGN(FileWriter writer, FileWriter::create(file(piece)));
  LOWBIT_TRY(writer.write(bytes));
  LOWBIT_TRY(writer.write(std::string_view(sha256_hex(bytes))));
  LOWBIT_TRY(writer.commit());
  state_->whole.insert(piece);
  return {};
}

Status WorkFolder::erase(const std::string& piece) const {
  state_->whole.erase(piece);
  return unlink_file(file(piece));
}

Status WorkFolder::remove() {
  LOWBIT_TRY(clear());
  LOWBIT_TRY(unlink_file(path_ + "/" + std::string(kLock)));
  if (::rmdir(path_.c_str()) != 0 && errno != ENOTEMPTY && errno != EEXIST && errno != ENOENT) {
    return system_error(path_, "delete");
  }
  state_->lock = (::close(state_->lock), -1);
  return {};
}

}  // namespace lowbit::quant

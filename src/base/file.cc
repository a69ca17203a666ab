#include "base/file.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/truncation.h"

namespace lowbit {
namespace {

// How long to wait for somebody to write into a named pipe.
constexpr int kPatienceMs = 2000;

Error system_error(std::string_view action, const std::string& path) {
  return errorf("{}: cannot {}: {}", path, action, std::strerror(errno));
}

// Opens without waiting for the other end of a pipe; then reads wait again.
Result<int> open_text(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return system_error("open", path);
  struct stat info{};
  if (::fstat(fd, &info) == 0 && S_ISFIFO(info.st_mode)) {
    pollfd ready{fd, POLLIN, 0};
    char first;
    // Nothing came, so read() consumes nothing: it finds the end where there is no writer, and fails where one is
    // slow.
    if (::poll(&ready, 1, kPatienceMs) == 0 && ::read(fd, &first, 1) == 0) {
      ::close(fd);
      return errorf("{}: a pipe that nothing writes into", path);
    }
  }
  ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) & ~O_NONBLOCK);
  return fd;
}

}  // namespace

MappedFile::Map::~Map() {
  if (data == nullptr) return;
  forget_map(data);
  ::munmap(const_cast<std::byte*>(data), size);
}

Result<MappedFile> MappedFile::open(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a pipe must not make it wait
  if (fd < 0) return system_error("open", path);
  struct stat info{};
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    ::close(fd);
    return errorf("{}: not a regular file", path);
  }
  MappedFile file;
  file.map_ = std::make_shared<Map>();
  file.map_->path = path;
  file.map_->size = static_cast<size_t>(info.st_size);
  if (info.st_size > 0) {
    void* data = ::mmap(nullptr, file.map_->size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED) {
      file.map_->size = 0;
      const Error error = system_error("map", path);
      ::close(fd);
      return error;
    }
    file.map_->data = static_cast<const std::byte*>(data);
    remember_map(file.map_->data, file.map_->size, file.map_->path.c_str());
  }
  ::close(fd);
  return file;
}

void MappedFile::release(std::span<const std::byte> part) const {
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<uintptr_t>(part.data());
  const uintptr_t first = (begin + page - 1) / page * page;
  const uintptr_t last = (begin + part.size()) / page * page;
  if (last > first) ::madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
}

Result<std::string> read_text_file(const std::string& path, uint64_t max_bytes) {
  LOWBIT_ASSIGN(const int fd, open_text(path));
  std::string text;
  std::array<char, 1 << 16> block;
  for (;;) {
    const ssize_t got = ::read(fd, block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      const Error error = system_error("read", path);
      ::close(fd);
      return error;
    }
    if (got == 0) break;
    if (text.size() + static_cast<size_t>(got) > max_bytes) {
      ::close(fd);
      return errorf("{}: larger than {} bytes, the most that is read here", path, max_bytes);
    }
    text.append(block.data(), static_cast<size_t>(got));
  }
  ::close(fd);
  return text;
}

std::string sha256_hex(std::span<const std::byte> bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned size = 0;
  LOWBIT_CHECK(EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr) == 1);
  std::string text;
  for (unsigned i = 0; i < size; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

Result<std::string> sha256_file(const std::string& path) {
  LOWBIT_ASSIGN(const MappedFile file, MappedFile::open(path));
  return sha256_hex(file.bytes());
}

}  // namespace lowbit

#include "base/file.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/bits.h"

namespace lowbit {
namespace {

constexpr size_t kBufferBytes = 1 << 20;

Error system_error(std::string_view action, const std::string& path) {
  return errorf("{}: cannot {}: {}", path, action, std::strerror(errno));
}

}  // namespace

MappedFile::Map::~Map() {
  if (data != nullptr) ::munmap(const_cast<std::byte*>(data), size);
}

Result<MappedFile> MappedFile::open(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
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
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return system_error("open", path);
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

Result<FileWriter> FileWriter::create(const std::string& path) {
  FileWriter writer;
  writer.path_ = path;
  writer.temporary_ = fmt::format("{}.tmp-{}", path, ::getpid());
  writer.fd_ = ::open(writer.temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (writer.fd_ < 0) return system_error("create", writer.temporary_);
  writer.buffer_.reserve(kBufferBytes);
  return writer;
}

FileWriter::FileWriter(FileWriter&& other) noexcept { *this = std::move(other); }

FileWriter& FileWriter::operator=(FileWriter&& other) noexcept {
  if (this != &other) {
    abandon();
    path_ = std::move(other.path_);
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
  ::unlink(temporary_.c_str());
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

Status FileWriter::commit() {
  LOWBIT_TRY(flush());
  if (::fsync(fd_) != 0) return system_error("write", path_);
  if (::close(std::exchange(fd_, -1)) != 0 || ::rename(temporary_.c_str(), path_.c_str()) != 0) {
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

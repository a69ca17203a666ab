// Files: read-only maps, whole reads with a bound, and writers that appear under their name only when complete.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/result.h"

namespace lowbit {

// A read-only memory map; copies share it.
class MappedFile {
 public:
  static Result<MappedFile> open(const std::string& path);

  const std::string& path() const { return map_->path; }
  std::span<const std::byte> bytes() const { return {map_->data, map_->size}; }
  // Keeps the map alive for views into it.
  std::shared_ptr<const void> owner() const { return map_; }
  // Tells the system that these pages will not be read again soon.
  void release(std::span<const std::byte> part) const;

 private:
  struct Map {
    std::string path;
    const std::byte* data = nullptr;
    size_t size = 0;
    ~Map();
  };
  std::shared_ptr<Map> map_;
};

// The whole file (a device or a pipe too) as text; an error where it is larger than max_bytes, and where nothing
// writes into the pipe.
Result<std::string> read_text_file(const std::string& path, uint64_t max_bytes);

// Writes to PATH.tmp-PID beside the target and renames on commit(); an uncommitted writer leaves nothing behind, and
// what a killed one left is removed by the next. A link is followed, so that its target is replaced; what exists and
// is no regular file (a device, a pipe) is written into as it is. Every failure (a full disk among them) is an error
// that names the file.
class FileWriter {
 public:
  static Result<FileWriter> create(const std::string& path);
  FileWriter(FileWriter&&) noexcept;
  FileWriter& operator=(FileWriter&&) noexcept;
  ~FileWriter();

  Status write(std::span<const std::byte> bytes);
  Status write(std::string_view text);
  // Zero bytes up to the next multiple of `alignment`.
  Status pad_to(uint64_t alignment);
  uint64_t offset() const { return offset_; }
  // What is written next stands at this offset; a gap that is never written holds zeros. Only of regular files.
  Status seek(uint64_t offset);
  // Flushes to disk and renames to the final name.
  Status commit();

 private:
  FileWriter() = default;
  std::string path_, target_;  // as given; with links followed
  std::string temporary_;      // empty: written into the target as it is
  int fd_ = -1;
  uint64_t offset_ = 0;
  std::string buffer_;
  Status flush();
  void abandon();
};

Status write_text_file(const std::string& path, std::string_view text);

// Hexadecimal SHA-256 of bytes.
std::string sha256_hex(std::span<const std::byte> bytes);
Result<std::string> sha256_file(const std::string& path);

}  // namespace lowbit

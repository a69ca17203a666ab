// The bytes that a reader works on: a memory map of a file, or a block of memory with a name for messages.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/file.h"
#include "base/result.h"

namespace lowbit::io {

class Source {
 public:
  static Result<Source> map(const std::string& path);
  // A copy, aligned to 64 bytes as a map is.
  static Source memory(std::string name, std::span<const std::byte> bytes);

  const std::string& path() const { return path_; }
  std::span<const std::byte> bytes() const { return bytes_; }
  std::shared_ptr<const void> owner() const { return owner_; }
  // Lets the system drop the pages of this part; they are read again from the file when touched.
  void release(std::span<const std::byte> part) const;

 private:
  std::string path_;
  std::span<const std::byte> bytes_;
  std::shared_ptr<const void> owner_;
  std::optional<MappedFile> map_;
};

}  // namespace lowbit::io

// Reads little-endian values one after another from untrusted bytes; no read goes past the end.
#pragma once

#include <bit>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace lowbit::io {

static_assert(std::endian::native == std::endian::little, "files are little-endian and are read as they lie");

class ByteReader {
 public:
  ByteReader(std::string path, std::span<const std::byte> bytes) : path_(std::move(path)), bytes_(bytes) {}

  uint64_t offset() const { return offset_; }
  uint64_t left() const { return bytes_.size() - offset_; }

  // An error that begins with the file and the current offset.
  template <class... Args>
  Error error(fmt::format_string<Args...> format, Args&&... args) const {
    return errorf("{}: offset {}: {}", path_, offset_, fmt::format(format, std::forward<Args>(args)...));
  }

  // what: the thing that is read, for the message where the file ends too early.
  template <class T>
  Result<T> read(std::string_view what) {
    if (left() < sizeof(T)) return ends(what, sizeof(T));
    T value;
    std::memcpy(&value, bytes_.data() + offset_, sizeof(T));
    offset_ += sizeof(T);
    return value;
  }

  // A string of GGUF: its length as 8 bytes, then its bytes; a view into the source.
  Result<std::string_view> read_string(std::string_view what) {
    LOWBIT_ASSIGN(const uint64_t length, read<uint64_t>(what));
    if (length > left()) return ends(what, length);
    const std::string_view text(reinterpret_cast<const char*>(bytes_.data()) + offset_, length);
    offset_ += length;
    return text;
  }

 private:
  Error ends(std::string_view what, uint64_t need) const {
    return error("the file ends inside {}: {} bytes left, {} needed", what, left(), need);
  }

  std::string path_;
  std::span<const std::byte> bytes_;
  uint64_t offset_ = 0;
};

}  // namespace lowbit::io

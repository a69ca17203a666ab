// For the tests: files written byte by byte, without any code of the readers under test.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lowbit::io::test {

// Little-endian bytes, appended one value after another.
class Bytes {
 public:
  Bytes& u(uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) text_ += static_cast<char>(value >> (8 * i) & 0xFF);
    return *this;
  }
  Bytes& u8(uint64_t v) { return u(v, 1); }
  Bytes& u16(uint64_t v) { return u(v, 2); }
  Bytes& u32(uint64_t v) { return u(v, 4); }
  Bytes& u64(uint64_t v) { return u(v, 8); }
  Bytes& f32(float v) {
    uint32_t bits;
    std::memcpy(&bits, &v, 4);
    return u32(bits);
  }
  Bytes& f64(double v) {
    uint64_t bits;
    std::memcpy(&bits, &v, 8);
    return u64(bits);
  }
  Bytes& raw(std::string_view v) {
    text_ += v;
    return *this;
  }
  // A string as GGUF has it.
  Bytes& str(std::string_view v) { return u64(v.size()).raw(v); }
  Bytes& pad(size_t alignment) {
    while (text_.size() % alignment != 0) text_ += '\0';
    return *this;
  }
  size_t size() const { return text_.size(); }
  const std::string& text() const { return text_; }
  std::span<const std::byte> bytes() const {
    return {reinterpret_cast<const std::byte*>(text_.data()), text_.size()};
  }

 private:
  std::string text_;
};

inline std::span<const std::byte> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

struct GgufTensor {
  std::string name;
  std::vector<uint64_t> ne;  // fastest dimension first, as in the file
  uint32_t type = 0;
  std::string data;
};

// A GGUF file; `entries` holds `entry_count` metadata entries as they stand in the file.
inline std::string gguf_file(const Bytes& entries, uint64_t entry_count, const std::vector<GgufTensor>& tensors,
                             uint32_t version = 3, uint64_t alignment = 32) {
  Bytes file;
  file.raw("GGUF").u32(version).u64(tensors.size()).u64(entry_count).raw(entries.text());
  uint64_t offset = 0;
  for (const GgufTensor& t : tensors) {
    file.str(t.name).u32(t.ne.size());
    for (uint64_t n : t.ne) file.u64(n);
    file.u32(t.type).u64(offset);
    offset += (t.data.size() + alignment - 1) / alignment * alignment;
  }
  for (const GgufTensor& t : tensors) file.pad(alignment).raw(t.data);
  return file.pad(alignment).text();
}

// A folder of its own that disappears with the object.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "lowbit-io-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline void write_file(const std::string& path, std::string_view text) {
  std::ofstream out(path, std::ios::binary);
  out.write(text.data(), static_cast<std::streamsize>(text.size()));
}

inline std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace lowbit::io::test

// NumPy's .npy files: one little-endian array of numbers, as a copy or as it lies in the file, and their writer.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/file.h"
#include "base/result.h"

namespace lowbit::io {

enum class NpyType : uint8_t { float32, uint8, uint16, uint32, float16, float64 };

std::string_view npy_type_name(NpyType type);  // "float32"
uint64_t npy_type_bytes(NpyType type);

// An array in the order of its file.
struct NpyView {
  NpyType type = NpyType::float32;
  std::vector<int64_t> shape;         // slowest dimension first; empty for a single value
  bool fortran_order = false;         // the first index runs fastest in the data
  std::span<const std::byte> data;    // of any alignment; elements() * npy_type_bytes(type) bytes
  std::shared_ptr<const void> owner;  // keeps them alive

  int64_t elements() const;
};

// What a reader can use; anything else is an error.
struct NpyWanted {
  std::span<const NpyType> types;
  bool fortran_order = false;  // arrays in Fortran order too
};

// Maps a file of versions 1 to 3 of the format. An error names the file, the offset, what was found and what was
// expected.
Result<NpyView> map_npy(const std::string& path, const NpyWanted& wanted);
// The same from memory that must outlive the view; name stands in messages.
Result<NpyView> view_npy(const std::string& name, std::span<const std::byte> bytes, const NpyWanted& wanted);

// An array of float32, uint8 or uint16 in C order.
struct NpyArray {
  std::vector<int64_t> shape;  // slowest dimension first; empty for a single value
  std::variant<std::vector<float>, std::vector<uint8_t>, std::vector<uint16_t>> values;
};

Result<NpyArray> read_npy(const std::string& path);
// The same from memory; name stands in messages.
Result<NpyArray> parse_npy(const std::string& name, std::span<const std::byte> bytes);

// Writes version 1, the data piece by piece; they begin at a multiple of 64 bytes. Nothing appears under the name
// before commit().
class NpyWriter {
 public:
  static Result<NpyWriter> create(const std::string& path, NpyType type, std::span<const int64_t> shape,
                                  bool fortran_order = false);

  Status write(std::span<const std::byte> data);
  // CHECKs that all elements of the shape were written.
  Status commit();

 private:
  explicit NpyWriter(FileWriter file) : file_(std::move(file)) {}
  FileWriter file_;
  uint64_t left_ = 0;  // bytes of data to come
};

// The sizes agree.
Status write_npy(const std::string& path, const NpyArray& array);

}  // namespace lowbit::io

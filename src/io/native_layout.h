// How tensors lie in lowbit's own safetensors files: shared by the writer and the reader.
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "io/model_file.h"

namespace lowbit::io {

constexpr std::string_view kNativeVersion = "1";
// Names the layout of tensor/packed.h: row blocks of 16, units of 4 columns, planes of 4, 2 and 1 bits.
constexpr std::string_view kNativeLayout = "rows16-columns4-planes";
// The same where codes of three values are five to a byte: named in files that hold such. Under the name above they
// had two planes once.
constexpr std::string_view kNativeTernaryLayout = "rows16-columns4-planes-fives";
constexpr uint64_t kNativeAlignment = 64;

// Keys of __metadata__.
constexpr std::string_view kVersionKey = "lowbit.version";
constexpr std::string_view kLayoutKey = "lowbit.layout";
constexpr std::string_view kMetadataKey = "lowbit.metadata";
constexpr std::string_view kTensorsKey = "lowbit.tensors";
constexpr std::string_view kPlanKey = "lowbit.plan";

// What is known of a tensor before its data exist.
struct StoredTensor {
  std::string name;  // not empty, UTF-8, without '#'
  std::vector<int64_t> shape;
  std::vector<TensorInfo::Part> parts;
  bool row_order = false;
};

// One entry of the file.
struct Piece {
  std::string name;
  std::string dtype;
  std::vector<uint64_t> shape;
  uint64_t bytes = 0;   // of the entry: for packed parts a multiple of 64, zeros behind `packed`
  uint64_t packed = 0;  // the bytes that hold data
};

// A vector of plain f32, f16 or bf16 is stored as it is, under its own dtype (the packed layout would store it as one
// of 16 rows); everything else packed.
bool is_stored_plain(const StoredTensor& tensor);

// The pieces of a tensor in order: its parts ("name", or "name#0", "name#1", ... where there are several or a row
// order), then "name#rows" (I32). An error where the parts do not make up the shape or a size overflows.
Result<std::vector<Piece>> pieces_of(const StoredTensor& tensor);

// The value of kLayoutKey.
std::string_view layout_name(std::span<const StoredTensor> tensors);

// The value of kTensorsKey: {"name": [[shape], "format"]} or [[shape], "format", rows, "format", rows, ...].
std::string stored_tensors_text(std::span<const StoredTensor> tensors);
// The inverse, in order of the names; row_order is left false.
Result<std::vector<StoredTensor>> parse_stored_tensors(std::string_view text);

}  // namespace lowbit::io

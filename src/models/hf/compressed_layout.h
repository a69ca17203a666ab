// How compressed-tensors keeps the weights of a module, as vLLM loads them: what compressed.cc and scaled.cc read,
// the other way. A row of the list for each of its formats.
#pragma once

#include <cstddef>
#include <functional>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "formats/format.h"
#include "tensor/packed.h"

namespace lowbit::models::hf {

// The version of compressed-tensors whose library reads these layouts to the same values.
constexpr const char* kCompressedVersion = "0.20.0";

// A tensor of a module: MODULE.part.
struct ModulePart {
  std::string part, dtype;
  std::vector<uint64_t> shape;
};

// Bytes of part number `part`, from byte `at`.
using EmitBytes = std::function<Status(size_t part, uint64_t at, std::span<const std::byte> bytes)>;

struct CompressedLayout {
  std::string_view name;  // "format" of quantization_config
  bool (*fits)(const formats::Format& format);
  // "weights" and "input_activations" of a group of modules; the latter null where only weights are quantized.
  nlohmann::json (*weights)(const formats::Format& format);
  nlohmann::json (*activations)();
  std::vector<ModulePart> (*parts)(const formats::Format& format, int64_t rows, int64_t cols);
  // Rows [begin, end) of a module of `rows` rows; begin is a multiple of kModuleRows, and so is end but for the last.
  // An error is a sentence without a name.
  Status (*emit)(const formats::Format& format, const tensor::Codes& codes, int64_t begin, int64_t end, int64_t rows,
                 int64_t cols, const EmitBytes& emit);
};

// Zero points of so many rows fill whole words.
constexpr int64_t kModuleRows = 32;

// Null where compressed-tensors has nothing for the format, or vLLM does not load it.
const CompressedLayout* find_layout(const formats::Format& format);

// The format that a matrix with rows of `cols` elements is kept in where `format` is wanted: itself where groups
// divide the row, else one of smaller groups or of whole rows. An error names the nearest format that there is.
Result<formats::Format> held_format(const formats::Format& format, int64_t cols);

}  // namespace lowbit::models::hf

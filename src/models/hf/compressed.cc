// compressed-tensors (vLLM): weight_packed as I32 [rows][cols packed] of integers moved up by half their range
// (pack-quantized), or as U8 [rows][cols / 2] of two e2m1 codes, the first in the low half (nvfp4, mxfp4).
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>

#include "models/hf/quant.h"

namespace lowbit::models::hf {
namespace {

// The bits by which rows of `cols` integers fill `line` words; 0 where neither 4 nor 8 do. Groups of modules differ
// in their bits, and shapes say which are meant; where both would do (a few columns), config.json does.
int bits_of_shape(int64_t cols, int64_t line) {
  const auto fills = [&](int64_t bits) { return line == (cols * bits + 31) / 32; };
  return fills(4) == fills(8) ? 0 : fills(4) ? 4 : 8;
}

// "num_bits" of the first group that quantizes weights.
Result<int> bits_of_config(const HfConfig& quantization) {
  LOWBIT_ASSIGN(const HfConfig groups, quantization.object("config_groups"));
  for (const auto& [name, values] : groups.values().items()) {
    LOWBIT_ASSIGN(const HfConfig group, groups.object(name));
    LOWBIT_ASSIGN(const HfConfig weights, group.object("weights"));
    LOWBIT_ASSIGN(const int64_t bits, weights.integer("num_bits", 1, 8));
    if (bits == 4 || bits == 8) return static_cast<int>(bits);
    return quantization.error("config_groups", fmt::format("for {} bits", bits), "4 or 8");
  }
  return quantization.error("config_groups", "empty", "a group for 4 or 8 bits");
}

// Whether the scheme of a module, named itself or by its class, has groups of this size.
Result<bool> has_groups(const HfConfig& quantization, const std::string& module, int64_t size) {
  LOWBIT_ASSIGN(const HfConfig groups, quantization.object("config_groups"));
  bool found = false;
  for (const auto& [name, values] : groups.values().items()) {
    LOWBIT_ASSIGN(const HfConfig group, groups.object(name));
    LOWBIT_ASSIGN(const HfConfig weights, group.object("weights"));
    LOWBIT_ASSIGN(const int64_t here, weights.integer("group_size", -1, INT32_MAX, -1));
    const auto targets = group.values().find("targets");
    const bool named = targets != group.values().end() && targets->is_array() &&
                       std::ranges::find(*targets, nlohmann::json(module)) != targets->end();
    if (named) return here == size;
    found = found || here == size;
  }
  return found;
}

// Zero points [rows][groups]: packed along the rows as the weights are, or one I8 each.
Status read_zeros(const Module& module, IntegerWeights& w) {
  const int32_t middle = 1 << (w.bits - 1);
  w.zeros.assign(static_cast<size_t>(w.rows * w.groups), middle);
  if (!module.has("weight_zero_point")) return {};
  LOWBIT_ASSIGN(const auto shape, module.shape("weight_zero_point", {"I32", "I8"}));
  const auto bytes = module.bytes("weight_zero_point");
  const bool packed = module.dtype("weight_zero_point") == "I32";
  const int64_t lines = packed ? (w.rows * w.bits + 31) / 32 : w.rows;
  if (shape != std::vector<int64_t>{lines, w.groups}) {
    return module.error("weight_zero_point", "of another shape", fmt::format("[{}, {}]", lines, w.groups));
  }
  std::vector<uint32_t> words(packed ? bytes.size() / 4 : 0);
  if (packed) std::memcpy(words.data(), bytes.data(), words.size() * 4);
  for (int64_t i = 0; i < w.rows * w.groups; ++i) {
    const int64_t row = i / w.groups, g = i % w.groups;
    w.zeros[i] = packed ? static_cast<int32_t>(bits_at(words.data() + g, w.groups, row, w.bits))
                        : static_cast<int8_t>(bytes[i]) + middle;
  }
  return {};
}

// Act-order: the group of each column.
Status read_groups(const Module& module, IntegerWeights& w) {
  if (!module.has("weight_g_idx")) return {};
  LOWBIT_ASSIGN(const auto shape, module.shape("weight_g_idx", {"I32"}));
  if (shape != std::vector<int64_t>{w.cols})
    return module.error("weight_g_idx", "of another shape", "one per column");
  w.group_of.resize(static_cast<size_t>(w.cols));
  std::memcpy(w.group_of.data(), module.bytes("weight_g_idx").data(), w.group_of.size() * 4);
  bool plain = true;
  for (int64_t c = 0; c < w.cols; ++c) {
    if (w.group_of[c] < 0 || w.group_of[c] >= w.groups) {
      return module.error("weight_g_idx", std::to_string(w.group_of[c]), fmt::format("0 to {}", w.groups - 1));
    }
    plain = plain && w.group_of[c] == c / (w.cols / w.groups);
  }
  if (plain) w.group_of.clear();
  return {};
}

Result<std::unique_ptr<Matrix>> read_integers(const Module& module, const HfConfig& quantization) {
  IntegerWeights w;
  LOWBIT_ASSIGN(const auto shape, module.shape("weight_packed", {"I32"}));
  LOWBIT_ASSIGN(const auto whole, module.shape("weight_shape", {"I64"}));
  if (shape.size() != 2 || whole != std::vector<int64_t>{2}) {
    return module.error("weight_packed", "of another shape", "a matrix, its shape in weight_shape");
  }
  std::memcpy(&w.rows, module.bytes("weight_shape").data(), 8);
  std::memcpy(&w.cols, module.bytes("weight_shape").data() + 8, 8);
  const int64_t line = shape[1];
  constexpr int64_t kMostColumns = int64_t{1} << 40;
  if (w.cols > 0 && w.cols < kMostColumns) w.bits = bits_of_shape(w.cols, line);
  if (w.bits == 0) {
    LOWBIT_ASSIGN(w.bits, bits_of_config(quantization));
  }
  const int64_t bits = w.bits;
  if (w.rows != shape[0] || w.cols <= 0 || w.cols > line * 32 / bits || w.cols <= (line - 1) * 32 / bits) {
    return module.error("weight_shape", fmt::format("[{}, {}]", w.rows, w.cols), "that of weight_packed");
  }
  std::vector<int64_t> scale_shape;
  LOWBIT_ASSIGN(w.scales, read_scales(module, "weight_scale", scale_shape));
  w.groups = scale_shape.size() == 2 ? scale_shape[1] : 1;
  if (scale_shape.empty() || scale_shape[0] != w.rows || w.cols % w.groups != 0) {
    return module.error("weight_scale", fmt::format("[{}]", fmt::join(scale_shape, ", ")),
                        fmt::format("{} rows and a divisor of {} columns", w.rows, w.cols));
  }
  LOWBIT_ASSIGN(w.one_group, has_groups(quantization, module.name(), w.cols));
  LOWBIT_TRY(read_zeros(module, w));
  LOWBIT_TRY(read_groups(module, w));
  auto words = std::make_shared<std::vector<uint32_t>>(static_cast<size_t>(w.rows * line));
  std::memcpy(words->data(), module.bytes("weight_packed").data(), words->size() * 4);
  w.code = [words, line, b = w.bits](int64_t row, int64_t col) {
    return bits_at(words->data() + row * line, 1, col, b);
  };
  return integer_matrix(std::move(w));
}

// The scale of the tensor divides the scales of the groups.
Result<std::string> global_scale(const Module& module, uint32_t& code) {
  if (!module.has("weight_global_scale")) return std::string();
  std::vector<int64_t> shape;
  LOWBIT_ASSIGN(const Scales scales, read_scales(module, "weight_global_scale", shape));
  if (scales.values.size() != 1 || !(scales.values[0] > 0.0f)) {
    return module.error("weight_global_scale", "another", "one positive number");
  }
  const float factor = 1.0f / scales.values[0];
  std::memcpy(&code, &factor, sizeof(code));
  return std::string("/tensor:f32");
}

Result<std::unique_ptr<Matrix>> read_fp4(const Module& module) {
  LOWBIT_ASSIGN(const auto shape, module.shape("weight_packed", {"U8"}));
  LOWBIT_ASSIGN(const auto scale_shape, module.shape("weight_scale", {"F8_E4M3", "U8"}));
  uint32_t factor = 0;
  LOWBIT_ASSIGN(const std::string tensor, global_scale(module, factor));
  const bool nv = !tensor.empty();
  const int64_t group = nv ? 16 : 32;
  if (shape.size() != 2 || scale_shape != std::vector<int64_t>{shape[0], shape[1] * 2 / group} ||
      shape[1] * 2 % group != 0 || module.dtype("weight_scale") != (nv ? "F8_E4M3" : "U8")) {
    return module.error("weight_scale", "of another shape or dtype", fmt::format("one scale for {} columns", group));
  }
  auto matrix = std::make_unique<CodedMatrix>();
  matrix->shape = {shape[0], shape[1] * 2};
  LOWBIT_ASSIGN(matrix->format,
                formats::parse_format(fmt::format("e2m1/{}:{}{}", group, nv ? "e4m3fn" : "e8m0", tensor)));
  matrix->read = [owner = module.checkpoint(), bytes = module.bytes("weight_packed"),
                  scales = module.bytes("weight_scale"), half = shape[1], groups = scale_shape[1], nv,
                  factor](int64_t row, RowCodes& out) {
    out.codes.resize(static_cast<size_t>(2 * half));
    for (int64_t c = 0; c < 2 * half; ++c) {
      out.codes[c] = std::to_integer<uint16_t>(bytes[row * half + c / 2]) >> (c % 2 * 4) & 15;
    }
    out.scales.assign(1, {});
    for (int64_t g = 0; g < groups; ++g) {
      out.scales[0].push_back(std::to_integer<uint32_t>(scales[row * groups + g]));
    }
    if (nv) out.scales.push_back({factor});
  };
  return std::unique_ptr<Matrix>(std::move(matrix));
}

}  // namespace

Result<std::unique_ptr<Matrix>> read_compressed(const Module& module, const HfConfig& quantization) {
  return module.dtype("weight_packed") == "U8" ? read_fp4(module) : read_integers(module, quantization);
}

}  // namespace lowbit::models::hf

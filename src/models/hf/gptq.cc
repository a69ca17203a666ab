// GPTQ as AutoGPTQ and GPTQModel write it: qweight [cols packed][rows], qzeros [groups][rows packed] (version 1 holds
// the zero point minus 1), scales [groups][rows], g_idx [cols]; value = (code - zero) * scale. AWQ "gemm": qweight
// [cols][rows packed], eight of 4 bits to a word, in the order of kAwqOrder.
#include <fmt/ranges.h>

#include <cstring>

#include "models/hf/quant.h"

namespace lowbit::models::hf {
namespace {

constexpr int kAwqOrder[] = {0, 4, 1, 5, 2, 6, 3, 7};  // the place in its word of each of eight rows

// A tensor as words; the copy is aligned.
std::shared_ptr<std::vector<uint32_t>> words_of(const Module& module, const std::string& part) {
  const auto bytes = module.bytes(part);
  auto words = std::make_shared<std::vector<uint32_t>>(bytes.size() / 4);
  std::memcpy(words->data(), bytes.data(), words->size() * 4);
  return words;
}

Status expect_shape(const Module& module, const std::string& part, const std::vector<int64_t>& found,
                    const std::vector<int64_t>& expected) {
  if (found == expected) return {};
  return module.error(part, "of another shape", fmt::format("[{}]", fmt::join(expected, ", ")));
}

// [groups][rows] -> [rows][groups].
Scales turned(const Scales& from, int64_t groups, int64_t rows) {
  Scales to = from;
  for (int64_t g = 0; g < groups; ++g) {
    for (int64_t r = 0; r < rows; ++r) {
      to.codes[r * groups + g] = from.codes[g * rows + r];
      to.values[r * groups + g] = from.values[g * rows + r];
    }
  }
  return to;
}

// Empty where the columns of a group are neighbours.
Result<std::vector<int32_t>> read_groups(const Module& module, int64_t cols, int64_t groups) {
  if (!module.has("g_idx")) return std::vector<int32_t>();
  LOWBIT_ASSIGN(const auto shape, module.shape("g_idx", {"I32"}));
  LOWBIT_TRY(expect_shape(module, "g_idx", shape, {cols}));
  std::vector<int32_t> group_of(static_cast<size_t>(cols));
  std::memcpy(group_of.data(), module.bytes("g_idx").data(), group_of.size() * 4);
  bool plain = true;
  for (int64_t c = 0; c < cols; ++c) {
    if (group_of[c] < 0 || group_of[c] >= groups) {
      return module.error("g_idx", fmt::format("{} at {}", group_of[c], c), fmt::format("0 to {}", groups - 1));
    }
    plain = plain && group_of[c] == c / (cols / groups);
  }
  return plain ? std::vector<int32_t>() : group_of;
}

Status check_groups(const Module& module, const IntegerWeights& w) {
  if (w.groups > 0 && w.cols % w.groups == 0) return {};
  return module.error("scales", fmt::format("of {} groups", w.groups), fmt::format("a divisor of {}", w.cols));
}

}  // namespace

Result<std::unique_ptr<Matrix>> read_gptq(const Module& module, const HfConfig& quantization) {
  IntegerWeights w;
  LOWBIT_ASSIGN(const int64_t bits, quantization.integer("bits", 2, 8, 4));
  LOWBIT_ASSIGN(const std::string version, quantization.text("checkpoint_format", "gptq"));
  if (bits > 4 && bits != 8) return quantization.error("bits", std::to_string(bits), "2, 3, 4 or 8");
  if (version != "gptq" && version != "gptq_v2") {
    return quantization.error("checkpoint_format", "another", "gptq or gptq_v2");
  }
  w.bits = static_cast<int>(bits);
  LOWBIT_ASSIGN(const auto shape, module.shape("qweight", {"I32"}));
  std::vector<int64_t> scale_shape;
  LOWBIT_ASSIGN(const Scales scales, read_scales(module, "scales", scale_shape));
  LOWBIT_ASSIGN(const auto zero_shape, module.shape("qzeros", {"I32"}));
  if (shape.size() != 2 || scale_shape.size() != 2) return module.error("qweight", "no matrix", "two dimensions");
  w.rows = shape[1];
  w.cols = shape[0] * 32 / bits;
  w.groups = scale_shape[0];
  if (shape[0] * 32 % bits != 0 || w.rows * bits % 32 != 0) {
    return module.error("qweight", "of another shape", "whole words of codes");
  }
  LOWBIT_TRY(expect_shape(module, "scales", scale_shape, {w.groups, w.rows}));
  LOWBIT_TRY(expect_shape(module, "qzeros", zero_shape, {w.groups, w.rows * bits / 32}));
  LOWBIT_TRY(check_groups(module, w));
  LOWBIT_ASSIGN(w.group_of, read_groups(module, w.cols, w.groups));
  w.scales = turned(scales, w.groups, w.rows);
  const auto zeros = words_of(module, "qzeros");
  const int32_t added = version == "gptq" ? 1 : 0;
  for (int64_t r = 0; r < w.rows; ++r) {
    for (int64_t g = 0; g < w.groups; ++g) {
      const uint32_t* line = zeros->data() + g * (w.rows * bits / 32);
      w.zeros.push_back(static_cast<int32_t>(bits_at(line, 1, r, w.bits)) + added);
    }
  }
  w.code = [words = words_of(module, "qweight"), rows = w.rows, b = w.bits](int64_t row, int64_t col) {
    return bits_at(words->data() + row, rows, col, b);
  };
  return integer_matrix(std::move(w));
}

Result<std::unique_ptr<Matrix>> read_awq(const Module& module, const HfConfig& quantization) {
  LOWBIT_TRY(quantization.expect("bits", 4));
  LOWBIT_ASSIGN(const std::string version, quantization.text("version", "gemm"));
  if (version != "gemm" && version != "GEMM") return quantization.error("version", "another", "gemm");
  IntegerWeights w;
  LOWBIT_ASSIGN(const auto shape, module.shape("qweight", {"I32"}));
  std::vector<int64_t> scale_shape;
  LOWBIT_ASSIGN(const Scales scales, read_scales(module, "scales", scale_shape));
  if (shape.size() != 2 || scale_shape.size() != 2) return module.error("qweight", "no matrix", "two dimensions");
  w.rows = shape[1] * 8;
  w.cols = shape[0];
  w.groups = scale_shape[0];
  LOWBIT_TRY(expect_shape(module, "scales", scale_shape, {w.groups, w.rows}));
  LOWBIT_TRY(check_groups(module, w));
  w.scales = turned(scales, w.groups, w.rows);
  const int64_t stride = shape[1];
  const auto at = [stride](const std::vector<uint32_t>& words, int64_t line, int64_t row) {
    return words[line * stride + row / 8] >> (4 * kAwqOrder[row % 8]) & 15;
  };
  w.zeros.assign(static_cast<size_t>(w.rows * w.groups), 8);
  if (module.has("qzeros")) {
    LOWBIT_ASSIGN(const auto zero_shape, module.shape("qzeros", {"I32"}));
    LOWBIT_TRY(expect_shape(module, "qzeros", zero_shape, {w.groups, stride}));
    const auto zeros = words_of(module, "qzeros");
    for (int64_t i = 0; i < w.rows * w.groups; ++i) {
      w.zeros[i] = static_cast<int32_t>(at(*zeros, i % w.groups, i / w.groups));
    }
  }
  w.code = [words = words_of(module, "qweight"), at](int64_t row, int64_t col) { return at(*words, col, row); };
  return integer_matrix(std::move(w));
}

}  // namespace lowbit::models::hf

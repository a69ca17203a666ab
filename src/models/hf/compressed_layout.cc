#include "models/hf/compressed_layout.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "io/checkpoint.h"

namespace lowbit::models::hf {
namespace {

using formats::Format;
using nlohmann::json;

constexpr int64_t kGroups[] = {128, 64, 32};  // of integers, as the kernels of vLLM take them

bool is_element(const formats::ElementFormat& element, std::string_view name) {
  return element == *formats::parse_element(name);
}

bool is_float_scale(const formats::ElementFormat& scale) {
  return is_element(scale, "f16") || is_element(scale, "bf16") || is_element(scale, "f32");
}

std::string dtype_of(const formats::ElementFormat& element) {
  return std::string(io::dtype_of_format(formats::print(element)));
}

uint64_t size(int64_t n) { return static_cast<uint64_t>(n); }

int64_t groups_of(const formats::ScaleLevel& level, int64_t cols) {
  return level.group > 0 ? (cols + level.group - 1) / level.group : 1;
}

json weights_of(const Format& format, int bits, const char* type) {
  const formats::ScaleLevel& level = format.levels[0];
  json weights = {{"num_bits", bits}, {"type", type}, {"symmetric", !format.has_zero_point()}, {"dynamic", false}};
  if (level.group > 0) {
    weights["strategy"] = format.levels.size() > 1 ? "tensor_group" : "group";
    weights["group_size"] = level.group;
  } else {
    weights["strategy"] = level.group == formats::kGroupTensor ? "tensor" : "channel";
    weights["group_size"] = nullptr;
  }
  return weights;
}

json no_activations() { return nullptr; }

// Scales of `bits` bits each, one after the other.
Status emit_scales(std::span<const uint32_t> scales, int bits, size_t part, uint64_t first, const EmitBytes& emit) {
  const auto word = static_cast<size_t>(bits / 8);
  std::vector<std::byte> bytes(scales.size() * word);
  for (size_t i = 0; i < scales.size(); ++i) std::memcpy(bytes.data() + i * word, &scales[i], word);
  return emit(part, first * word, bytes);
}

// Codes of 8 bits each, with scales of rows or of the tensor, as dtype says.
std::vector<ModulePart> byte_parts(const Format& format, int64_t rows, int64_t cols) {
  const formats::ScaleLevel& level = format.levels[0];
  const bool whole = level.group == formats::kGroupTensor;
  return {{"weight", dtype_of(format.element), {size(rows), size(cols)}},
          {"weight_scale", dtype_of(level.scale),
           whole ? std::vector<uint64_t>{1} : std::vector<uint64_t>{size(rows), 1}}};
}

Status emit_bytes(const Format& format, const tensor::Codes& codes, int64_t begin, int64_t end, int64_t /*rows*/,
                  int64_t cols, const EmitBytes& emit) {
  std::vector<std::byte> bytes(codes.codes.size());
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(codes.codes[i]);
  LOWBIT_TRY(emit(0, size(begin * cols), bytes));
  const formats::ScaleLevel& level = format.levels[0];
  if (level.group != formats::kGroupTensor) {
    return emit_scales(codes.scales[0], level.scale.bits, 1, size(begin), emit);
  }
  return begin == 0 ? emit_scales({codes.scales[0].data(), 1}, level.scale.bits, 1, 0, emit) : Status();
}

// ---- pack-quantized: integers of 4 and 8 bits in words of 32 ----

bool is_packed_integer(const Format& format) {
  if (format.levels.size() != 1 || !format.element.is_integer()) return false;
  const formats::ScaleLevel& level = format.levels[0];
  const bool group =
      level.group == formats::kGroupRow || std::ranges::find(kGroups, level.group) != std::end(kGroups);
  const bool byte_rows = is_element(format.element, "int8") && level.group == formats::kGroupRow;
  return (format.element.bits == 4 || format.element.bits == 8) && group && is_float_scale(level.scale) &&
         !level.minimum && level.zero_point != format.element.is_signed &&
         !(byte_rows && is_element(level.scale, "f32"));
}

json packed_weights(const Format& format) { return weights_of(format, format.element.bits, "int"); }

int64_t words_of(int64_t count, int bits) { return (count * bits + 31) / 32; }

std::vector<ModulePart> packed_parts(const Format& format, int64_t rows, int64_t cols) {
  const formats::ScaleLevel& level = format.levels[0];
  const int bits = format.element.bits;
  const uint64_t groups = size(groups_of(level, cols));
  std::vector<ModulePart> parts = {{"weight_packed", "I32", {size(rows), size(words_of(cols, bits))}},
                                   {"weight_scale", dtype_of(level.scale), {size(rows), groups}},
                                   {"weight_shape", "I64", {2}}};
  if (level.zero_point) parts.push_back({"weight_zero_point", "I32", {size(words_of(rows, bits)), groups}});
  return parts;
}

Status emit_packed(const Format& format, const tensor::Codes& codes, int64_t begin, int64_t end, int64_t rows,
                   int64_t cols, const EmitBytes& emit) {
  const int bits = format.element.bits;
  const int64_t groups = groups_of(format.levels[0], cols), line = words_of(cols, bits), per_word = 32 / bits;
  // Moved up by half their range, so that none is negative; those with a zero point lie there already.
  const uint32_t flip = format.has_zero_point() ? 0 : 1u << (bits - 1);
  std::vector<uint32_t> words(size((end - begin) * line));
  for (int64_t r = 0; r < end - begin; ++r) {
    for (int64_t c = 0; c < cols; ++c) {
      words[r * line + c / per_word] |= (codes.codes[r * cols + c] ^ flip) << (c % per_word * bits);
    }
  }
  LOWBIT_TRY(emit(0, size(begin * line) * 4, std::as_bytes(std::span(words))));
  LOWBIT_TRY(emit_scales(codes.scales[0], format.levels[0].scale.bits, 1, size(begin * groups), emit));
  if (begin == 0) {
    const int64_t shape[] = {rows, cols};
    LOWBIT_TRY(emit(2, 0, std::as_bytes(std::span(shape))));
  }
  if (!format.has_zero_point()) return {};
  std::vector<uint32_t> zeros(size(words_of(end - begin, bits) * groups));
  for (int64_t r = 0; r < end - begin; ++r) {
    for (int64_t g = 0; g < groups; ++g) {
      zeros[r / per_word * groups + g] |= codes.minimums[0][r * groups + g] << (r % per_word * bits);
    }
  }
  return emit(3, size(words_of(begin, bits) * groups) * 4, std::as_bytes(std::span(zeros)));
}

// ---- int-quantized: int8 rows whose scales are f32, for products with activations of 8 bits ----

bool is_byte_integer(const Format& format) {
  static const Format kOnly = *formats::parse_format("int8/row:f32");
  return format == kOnly;
}

json byte_integer_weights(const Format& format) { return weights_of(format, 8, "int"); }

json token_activations() {
  return {{"num_bits", 8},       {"type", "int"},         {"symmetric", true},
          {"strategy", "token"}, {"group_size", nullptr}, {"dynamic", true}};
}

// ---- float-quantized: FP8 ----

bool is_fp8(const Format& format) {
  return format.levels.size() == 1 && is_element(format.element, "e4m3fn") && format.levels[0].group < 0 &&
         is_float_scale(format.levels[0].scale) && !format.levels[0].minimum && !format.levels[0].zero_point;
}

json fp8_weights(const Format& format) { return weights_of(format, 8, "float"); }

// ---- nvfp4-pack-quantized, mxfp4-pack-quantized: two codes of e2m1 in a byte, the first in the low half ----

bool is_nvfp4(const Format& format) {
  static const Format kOnly = *formats::parse_format("nvfp4");
  return format == kOnly;
}

bool is_mxfp4(const Format& format) {
  static const Format kOnly = *formats::parse_format("mxfp4");
  return format == kOnly;
}

json nvfp4_weights(const Format& format) { return weights_of(format, 4, "float"); }

json mxfp4_weights(const Format& format) {
  json weights = weights_of(format, 4, "float");
  weights["scale_dtype"] = "torch.uint8";
  weights["zp_dtype"] = "torch.uint8";
  return weights;
}

std::vector<ModulePart> fp4_parts(const Format& format, int64_t rows, int64_t cols) {
  const bool nv = format.levels.size() > 1;
  std::vector<ModulePart> parts = {
      {"weight_packed", "U8", {size(rows), size(cols / 2)}},
      {"weight_scale", nv ? "F8_E4M3" : "U8", {size(rows), size(groups_of(format.levels[0], cols))}}};
  if (nv) parts.push_back({"weight_global_scale", "F32", {1}});
  return parts;
}

// The divisor of the scales that a reader turns into this factor.
Result<float> divisor_of(uint32_t factor_code) {
  float factor;
  std::memcpy(&factor, &factor_code, sizeof factor);
  const float divisor = 1.0f / factor;
  if (factor > 0.0f && std::isfinite(divisor) && 1.0f / divisor == factor) return divisor;
  return errorf("its scale of the tensor, {}, is the reciprocal of no number, which is what is stored", factor);
}

Status emit_fp4(const Format& format, const tensor::Codes& codes, int64_t begin, int64_t end, int64_t /*rows*/,
                int64_t cols, const EmitBytes& emit) {
  std::vector<std::byte> bytes(codes.codes.size() / 2);
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<std::byte>(codes.codes[2 * i] | codes.codes[2 * i + 1] << 4);
  }
  LOWBIT_TRY(emit(0, size(begin * cols / 2), bytes));
  LOWBIT_TRY(emit_scales(codes.scales[0], 8, 1, size(begin * groups_of(format.levels[0], cols)), emit));
  if (format.levels.size() == 1 || begin > 0) return {};
  LOWBIT_ASSIGN(const float divisor, divisor_of(codes.scales[1][0]));
  return emit(2, 0, std::as_bytes(std::span(&divisor, 1)));
}

constexpr CompressedLayout kLayouts[] = {
    {"pack-quantized", is_packed_integer, packed_weights, no_activations, packed_parts, emit_packed},
    {"int-quantized", is_byte_integer, byte_integer_weights, token_activations, byte_parts, emit_bytes},
    {"float-quantized", is_fp8, fp8_weights, no_activations, byte_parts, emit_bytes},
    {"nvfp4-pack-quantized", is_nvfp4, nvfp4_weights, no_activations, fp4_parts, emit_fp4},
    {"mxfp4-pack-quantized", is_mxfp4, mxfp4_weights, no_activations, fp4_parts, emit_fp4},
};

// Examples of what there is, by which the nearest is found.
constexpr std::string_view kExamples[] = {"mxfp4",
                                          "nvfp4",
                                          "int4/row:bf16",
                                          "int4/128:bf16",
                                          "int4/64:bf16",
                                          "int4/32:bf16",
                                          "uint4/32:bf16+zp",
                                          "uint4/64:bf16+zp",
                                          "int8/row:bf16",
                                          "int8/128:bf16",
                                          "int8/64:bf16",
                                          "int8/32:bf16",
                                          "e4m3fn/row:f32",
                                          "uint4/128:bf16+zp",
                                          "uint8/128:bf16+zp",
                                          "bf16"};

std::string_view nearest_example(const Format& format) {
  const double wanted = formats::bits_per_element(format);
  return *std::ranges::min_element(kExamples, {}, [&](std::string_view text) {
    constexpr double kOtherKind = 0.3;  // bits: a float rather stays a float, an integer an integer
    const Format example = *formats::parse_format(text);
    return std::abs(formats::bits_per_element(example) - wanted) +
           (example.element.kind == format.element.kind ? 0.0 : kOtherKind);
  });
}

}  // namespace

const CompressedLayout* find_layout(const Format& format) {
  const auto* found = std::ranges::find_if(kLayouts, [&](const CompressedLayout& row) { return row.fits(format); });
  return found == std::end(kLayouts) ? nullptr : found;
}

Result<Format> held_format(const Format& format, int64_t cols) {
  if (find_layout(format) == nullptr) {
    return errorf("compressed-tensors has no layout for {} that vLLM loads; the nearest that it has is {}",
                  formats::print(format), nearest_example(format));
  }
  const int64_t group = format.levels[0].group;
  if (group <= 0 || cols % group == 0) return format;
  if (!format.element.is_integer()) return formats::parse_format("int8/row:bf16");
  Format other = format;
  for (const int64_t smaller : kGroups) {
    other.levels[0].group = smaller;
    if (smaller < group && cols % smaller == 0) return other;
  }
  other.levels[0].group = formats::kGroupRow;
  return find_layout(other) != nullptr && !is_byte_integer(other) ? Result<Format>(other)
                                                                  : formats::parse_format("int8/row:bf16");
}

}  // namespace lowbit::models::hf

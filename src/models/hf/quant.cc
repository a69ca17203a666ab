#include "models/hf/quant.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "io/utf8.h"

namespace lowbit::models::hf {

#define LOWBIT_HF_PACKING(method, part, read) \
  Result<std::unique_ptr<Matrix>> read(const Module& module, const HfConfig& quantization);
#include "models/hf/packings.inc"
#undef LOWBIT_HF_PACKING

namespace {

struct Packing {
  std::string_view method, part;
  Result<std::unique_ptr<Matrix>> (*read)(const Module&, const HfConfig&);
};
constexpr Packing kPackings[] = {
#define LOWBIT_HF_PACKING(method, part, read) {method, part, read},
#include "models/hf/packings.inc"
#undef LOWBIT_HF_PACKING
};

// What belongs to quantized modules and is no weight.
constexpr std::string_view kParts[] = {"qweight",
                                       "qzeros",
                                       "scales",
                                       "g_idx",
                                       "weight_packed",
                                       "weight_scale",
                                       "weight_shape",
                                       "weight_g_idx",
                                       "weight_scale_2",
                                       "weight",
                                       "input_scale",
                                       "weight_zero_point",
                                       "k_scale",
                                       "v_scale",
                                       "output_scale",
                                       "weight_scale_inv",
                                       "weight_global_scale",
                                       "input_global_scale"};

std::pair<std::string, std::string> split(const std::string& name) {
  const size_t dot = name.rfind('.');
  if (dot == name.npos) return {"", name};
  return {name.substr(0, dot), name.substr(dot + 1)};
}

Result<std::string> method_of(const io::Checkpoint& checkpoint, const HfConfig& config, HfConfig& quantization) {
  const auto beside = checkpoint.metadata().find(io::kHfQuantization);
  if (config.has("quantization_config")) {
    LOWBIT_ASSIGN(quantization, config.object("quantization_config"));
  } else if (beside != checkpoint.metadata().end()) {
    quantization = HfConfig(*beside, "quantize_config.json");
    return quantization.text("quant_method", "gptq");
  }
  return quantization.text("quant_method", "");
}

}  // namespace

std::string Module::dtype(const std::string& part) const {
  const int64_t index = find(part);
  return index < 0 ? "" : std::string(checkpoint_->dtype(static_cast<size_t>(index)));
}

Error Module::error(const std::string& part, std::string_view found, std::string_view expected) const {
  return errorf("tensor {} is {}, expected {}", io::shown(name_ + "." + part), found, expected);
}

Result<std::vector<int64_t>> Module::shape(const std::string& part,
                                           std::initializer_list<std::string_view> dtypes) const {
  const std::string found = dtype(part);
  if (std::ranges::find(dtypes, found) == dtypes.end()) {
    return error(part, found.empty() ? "missing" : found, fmt::format("{}", fmt::join(dtypes, " or ")));
  }
  return checkpoint_->tensors()[static_cast<size_t>(find(part))].shape;
}

std::span<const std::byte> Module::bytes(const std::string& part) const {
  return checkpoint_->bytes(static_cast<size_t>(find(part)));
}

uint32_t bits_at(const uint32_t* words, int64_t stride, int64_t index, int bits) {
  const int64_t first = index * bits / 32;
  const int shift = static_cast<int>(index * bits % 32);
  uint64_t pair = words[first * stride];
  if (shift + bits > 32) pair |= static_cast<uint64_t>(words[(first + 1) * stride]) << 32;
  return static_cast<uint32_t>(pair >> shift) & ((1u << bits) - 1);
}

Result<Scales> read_scales(const Module& module, const std::string& part, std::vector<int64_t>& shape) {
  LOWBIT_ASSIGN(shape, module.shape(part, {"F16", "BF16", "F32"}));
  const auto bytes = module.bytes(part);
  Scales scales;
  scales.format = io::format_of_dtype(module.dtype(part));
  LOWBIT_ASSIGN(const formats::ElementFormat element, formats::parse_element(scales.format));
  const size_t word = element.bits / 8;
  scales.codes.assign(bytes.size() / word, 0);
  for (size_t i = 0; i < scales.codes.size(); ++i) {
    std::memcpy(&scales.codes[i], bytes.data() + i * word, word);
    scales.values.push_back(element.decode(scales.codes[i]));
  }
  return scales;
}

Result<std::unique_ptr<Matrix>> integer_matrix(IntegerWeights w) {
  const int32_t middle = 1 << (w.bits - 1);
  const bool symmetric = std::ranges::all_of(w.zeros, [&](int32_t z) { return z == middle; });
  const bool sayable =
      w.group_of.empty() && std::ranges::all_of(w.zeros, [&](int32_t z) { return z >= 0 && z < 2 * middle; });
  const int64_t group = w.cols / w.groups;
  std::unique_ptr<Matrix> matrix;
  const std::vector<int64_t> shape = {w.rows, w.cols};
  if (sayable) {
    const std::string text = fmt::format("{}{}/{}:{}{}", symmetric ? "int" : "uint", w.bits,
                                         w.groups == 1 && !w.one_group ? "row" : std::to_string(group),
                                         w.scales.format, symmetric ? "" : "+zp");
    LOWBIT_ASSIGN(formats::Format format, formats::parse_format(text));
    auto coded = std::make_unique<CodedMatrix>();
    coded->format = std::move(format);
    coded->read = [w = std::move(w), symmetric, middle](int64_t row, RowCodes& out) {
      out.codes.resize(static_cast<size_t>(w.cols));
      const uint32_t flip = symmetric ? static_cast<uint32_t>(middle) : 0;
      for (int64_t c = 0; c < w.cols; ++c) out.codes[c] = static_cast<uint16_t>(w.code(row, c) ^ flip);
      const auto first = row * w.groups, last = first + w.groups;
      out.scales.assign(1, {w.scales.codes.begin() + first, w.scales.codes.begin() + last});
      out.minimums.assign(1, {});
      if (!symmetric) out.minimums[0].assign(w.zeros.begin() + first, w.zeros.begin() + last);
    };
    matrix = std::move(coded);
  } else {
    auto computed = std::make_unique<ComputedMatrix>();
    LOWBIT_ASSIGN(computed->format, formats::parse_format("f32"));
    computed->read = [w = std::move(w), group](int64_t row, float* out) {
      for (int64_t c = 0; c < w.cols; ++c) {
        const int64_t at = row * w.groups + (w.group_of.empty() ? c / group : w.group_of[c]);
        out[c] = static_cast<float>(static_cast<int32_t>(w.code(row, c)) - w.zeros[at]) * w.scales.values[at];
      }
    };
    matrix = std::move(computed);
  }
  matrix->shape = shape;
  return matrix;
}

Result<Matrices> read_matrices(const std::shared_ptr<const io::Checkpoint>& checkpoint, const HfConfig& config) {
  static const nlohmann::json kNone = nlohmann::json::object();
  HfConfig quantization(kNone, config.path());
  LOWBIT_ASSIGN(const std::string method, method_of(*checkpoint, config, quantization));
  Matrices matrices;
  std::set<std::string> packed;
  for (const io::TensorInfo& info : checkpoint->tensors()) {
    const auto [module_name, part] = split(info.name);
    for (const Packing& packing : kPackings) {
      if (part != packing.part || (!packing.method.empty() && packing.method != method)) continue;
      if (!packed.insert(module_name).second) continue;
      const Module module(checkpoint, module_name);
      LOWBIT_ASSIGN(std::unique_ptr<Matrix> matrix, packing.read(module, quantization));
      matrix->name = module_name + ".weight";
      for (const std::string_view one : kParts) {
        const int64_t index = module.find(std::string(one));
        if (index < 0) continue;
        matrix->stored_as.push_back(static_cast<size_t>(index));
        matrix->bytes += checkpoint->tensors()[static_cast<size_t>(index)].bytes;
      }
      matrices.push_back(std::move(matrix));
    }
  }
  for (size_t i = 0; i < checkpoint->tensors().size(); ++i) {
    const io::TensorInfo& info = checkpoint->tensors()[i];
    const auto [module_name, part] = split(info.name);
    const bool known = std::ranges::find(kParts, part) != std::end(kParts);
    if (known && (packed.contains(module_name) || part.ends_with("_scale"))) continue;
    if (info.parts.empty()) continue;
    if (info.parts[0].format.element.is_integer()) {
      return errorf("tensor {} holds integers, which quant_method {} of config.json does not explain",
                    io::shown(info.name), io::shown(method));
    }
    matrices.push_back(plain_matrix(checkpoint, i));
  }
  return matrices;
}

}  // namespace lowbit::models::hf

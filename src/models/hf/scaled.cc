// Eight-bit weights as they are, with scales: FP8 (F8_E4M3, F8_E5M2) or I8, one scale for the tensor, for each row,
// or for each block of 128 rows and columns (DeepSeek's weight_scale_inv, which multiplies too).
#include <cstring>

#include "models/hf/quant.h"

namespace lowbit::models::hf {

Result<std::unique_ptr<Matrix>> read_scaled(const Module& module, const HfConfig& quantization) {
  const std::string part = module.has("weight_scale_inv") ? "weight_scale_inv" : "weight_scale";
  LOWBIT_ASSIGN(const auto shape, module.shape("weight", {"F8_E4M3", "F8_E5M2", "I8"}));
  if (shape.size() != 2) return module.error("weight", "no matrix", "two dimensions");
  if (module.has("weight_zero_point")) return module.error("weight_zero_point", "there", "a symmetric format");
  std::vector<int64_t> scale_shape;
  LOWBIT_ASSIGN(Scales scales, read_scales(module, part, scale_shape));
  const int64_t rows = shape[0], cols = shape[1];
  const int64_t lines = scale_shape.empty() ? 1 : scale_shape[0];
  const int64_t groups = scale_shape.size() == 2 ? scale_shape[1] : 1;
  int64_t rows_of_block = 1, group = cols;
  std::string level = "row";
  if (lines == 1 && groups == 1) {
    level = "tensor";
    rows_of_block = rows;
  } else if (lines != rows || groups != 1) {
    const auto sizes = quantization.values().find("weight_block_size");
    const nlohmann::json both = sizes == quantization.values().end() ? nlohmann::json({128, 128}) : *sizes;
    if (!both.is_array() || both.size() != 2 || !both[0].is_number_unsigned() || !both[1].is_number_unsigned() ||
        both[0] == 0 || both[1] == 0 || both[0] > 65536 || both[1] > 65536) {
      return quantization.error("weight_block_size", "another", "two sizes");
    }
    rows_of_block = both[0].get<int64_t>();
    group = both[1].get<int64_t>();
    level = std::to_string(group);
  }
  if (lines != (rows + rows_of_block - 1) / rows_of_block || groups != (cols + group - 1) / group) {
    return module.error(part, "of another shape",
                        fmt::format("one scale for {} rows and {} columns", rows_of_block, group));
  }
  auto matrix = std::make_unique<CodedMatrix>();
  matrix->shape = shape;
  LOWBIT_ASSIGN(matrix->format, formats::parse_format(fmt::format(
                                    "{}/{}:{}", io::format_of_dtype(module.dtype("weight")), level, scales.format)));
  matrix->read = [owner = module.checkpoint(), bytes = module.bytes("weight"), codes = std::move(scales.codes), cols,
                  groups, rows_of_block](int64_t row, RowCodes& out) {
    out.codes.resize(static_cast<size_t>(cols));
    for (int64_t c = 0; c < cols; ++c) out.codes[c] = std::to_integer<uint16_t>(bytes[row * cols + c]);
    const auto first = codes.begin() + row / rows_of_block * groups;
    out.scales.assign(1, {first, first + groups});
  };
  return std::unique_ptr<Matrix>(std::move(matrix));
}

}  // namespace lowbit::models::hf

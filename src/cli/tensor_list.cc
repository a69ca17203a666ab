#include "cli/tensor_list.h"

#include <fmt/format.h>

namespace lowbit::cli {

Json TensorTotals::bits_per_weight() const {
  if (parameters == 0) return nullptr;
  return 8.0 * static_cast<double>(bytes) / static_cast<double>(parameters);
}

TensorTotals tensor_totals(std::span<const io::TensorInfo> tensors) {
  TensorTotals totals;
  for (const io::TensorInfo& tensor : tensors) {
    totals.parameters += tensor.parameters();
    totals.bytes += tensor.bytes;
  }
  return totals;
}

Json tensor_list(std::span<const io::TensorInfo> tensors) {
  Json list = Json::array();
  for (const io::TensorInfo& tensor : tensors) {
    std::string format;
    Json parts = Json::array();
    for (const io::TensorInfo::Part& part : tensor.parts) {
      const std::string name = formats::print(part.format);
      format += (format.empty() ? "" : " + ") + name;
      parts.push_back({{"format", name}, {"rows", part.rows}});
    }
    if (!tensor.stored.empty()) format = tensor.stored;
    list.push_back({{"name", tensor.name},
                    {"shape", tensor.shape},
                    {"format", format},
                    {"bits_per_weight", tensor_totals({&tensor, 1}).bits_per_weight()},
                    {"bytes", tensor.bytes}});
    if (tensor.parts.size() > 1) list.back()["parts"] = std::move(parts);
  }
  return list;
}

}  // namespace lowbit::cli

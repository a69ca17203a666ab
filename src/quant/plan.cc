#include "quant/plan.h"

#include <algorithm>

namespace lowbit::quant {

bool TensorPlan::kept() const {
  return std::all_of(parts.begin(), parts.end(), [](const PartPlan& part) { return part.keep; });
}

bool TensorPlan::rounded() const {
  return std::any_of(parts.begin(), parts.end(),
                     [](const PartPlan& part) { return !part.keep && !part.format.is_plain(); });
}

const TensorPlan* Plan::find(std::string_view name) const {
  for (const TensorPlan& tensor : tensors) {
    if (tensor.name == name) return &tensor;
  }
  return nullptr;
}

std::vector<io::StoredTensor> Plan::stored() const {
  std::vector<io::StoredTensor> result;
  for (const TensorPlan& tensor : tensors) {
    io::StoredTensor stored{tensor.name, tensor.shape, {}, tensor.divided()};
    for (const PartPlan& part : tensor.parts) stored.parts.push_back({part.format, part.rows});
    result.push_back(std::move(stored));
  }
  return result;
}

Result<uint64_t> Plan::data_bytes(const io::WrittenKind& kind) const {
  uint64_t sum = 0;
  for (const io::StoredTensor& tensor : stored()) {
    LOWBIT_ASSIGN(const uint64_t bytes, kind.tensor_bytes(tensor));
    sum += bytes;
  }
  return sum;
}

uint64_t Plan::parameters() const {
  uint64_t sum = 0;
  for (const TensorPlan& tensor : tensors) {
    uint64_t n = 1;
    for (const int64_t d : tensor.shape) n *= static_cast<uint64_t>(d);
    sum += n;
  }
  return sum;
}

nlohmann::json Plan::to_json() const {
  nlohmann::json all = nlohmann::json::object();
  for (const TensorPlan& tensor : tensors) {
    nlohmann::json parts = nlohmann::json::array();
    for (const PartPlan& part : tensor.parts) {
      parts.push_back({{"format", formats::print(part.format)},
                       {"rows", part.rows},
                       {"method", part.keep             ? "keep"
                                  : part.method.empty() ? "cast"
                                                        : part.method}});
    }
    all[tensor.name] = std::move(parts);
  }
  return {{"tensors", std::move(all)}};
}

}  // namespace lowbit::quant

// A plan: for every parameter of a model the formats of its parts. What search returns, quantize obeys and a file
// records.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "formats/format.h"
#include "io/model_writer.h"

namespace lowbit::quant {

struct PartPlan {
  formats::Format format;
  int64_t rows = 0;
  bool keep = false;   // the source's codes as they are; format is then the source's
  std::string method;  // a row of methods.inc; empty where kept or where nothing is rounded
};

struct TensorPlan {
  std::string name;
  std::vector<int64_t> shape;
  // One part, or several: then rows go to parts in order of their importance, most important first.
  std::vector<PartPlan> parts;

  // As one matrix: the last dimension is the reduction.
  int64_t rows() const {
    int64_t product = 1;
    for (size_t i = 0; i + 1 < shape.size(); ++i) product *= shape[i];
    return product;
  }
  bool divided() const { return parts.size() > 1; }
  // Whether the source's codes stay as they are in all parts: then the source's own order of rows stays too.
  bool kept() const;
  // Whether some part is rounded by a method.
  bool rounded() const;
};

struct Plan {
  std::vector<TensorPlan> tensors;  // in the order in which they are written

  const TensorPlan* find(std::string_view name) const;
  // Bytes of tensor data in such a file, padding and row orders included.
  Result<uint64_t> data_bytes(const io::WrittenKind& kind = io::native_kind()) const;
  uint64_t parameters() const;
  // Tensors as the writer wants them announced.
  std::vector<io::StoredTensor> stored() const;
  // {"tensors": {name: [{"format", "rows", "method"} ...]}}
  nlohmann::json to_json() const;
};

}  // namespace lowbit::quant

// A Hugging Face checkpoint as a model file with the names, keys and weights of GGUF.
#pragma once

#include <memory>

#include "io/checkpoint.h"
#include "models/hf/conversion.h"

namespace lowbit::models::hf {

// A model from a checkpoint, with where each of its tensors comes from: targets()[i] is tensor i.
class HfModelFile : public io::ModelFile {
 public:
  virtual const io::Checkpoint& checkpoint() const = 0;
  virtual std::span<const Target> targets() const = 0;
  virtual const Matrices& matrices() const = 0;
};

// A row of models.inc.
struct ModelRow {
  std::string_view name, type, architecture;
  Status (*convert)(Conversion&);
};
std::span<const ModelRow> model_rows();

// The architecture is that of config.json; each has a row in models.inc. Errors name the folder, and config.json and
// the key or the tensor.
Result<std::shared_ptr<const io::ModelFile>> open(std::shared_ptr<const io::Checkpoint> checkpoint);

}  // namespace lowbit::models::hf

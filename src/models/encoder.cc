#include "models/encoder.h"

namespace lowbit::models {

Status describe_encoder(const Config& config, Model& model) {
  model.encoder = true;
  constexpr Pooling kPoolings[] = {Pooling::none, Pooling::mean, Pooling::first, Pooling::last};
  LOWBIT_ASSIGN(const int64_t pooling, config.integer("pooling_type", 0, 3, 0));
  model.pooling = kPoolings[pooling];
  for (const char* name : {"cls", "cls.output", "cls.norm"}) {
    model.unused.push_back(std::string(name) + ".weight");
    model.unused.push_back(std::string(name) + ".bias");
  }
  return {};
}

}  // namespace lowbit::models

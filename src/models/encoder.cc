#include "models/encoder.h"

#include <algorithm>

namespace lowbit::models {

Status describe_encoder(const Config& config, int64_t context, Model& model) {
  model.encoder = true;
  constexpr Pooling kPoolings[] = {Pooling::none, Pooling::mean, Pooling::first, Pooling::last};
  LOWBIT_ASSIGN(const int64_t pooling, config.integer("pooling_type", 0, 3, 0));
  model.pooling = kPoolings[pooling];
  LOWBIT_ASSIGN(model.unit_vectors, config.boolean(kUnitVectors, true));
  LOWBIT_ASSIGN(model.lower_case, config.boolean(kLowerCase, false));
  LOWBIT_ASSIGN(const int64_t tokens, config.integer(kSentenceTokens, 1, int64_t{1} << 32, context));
  model.sentence_tokens = std::min(tokens, context);
  for (const char* name : {"cls", "cls.output", "cls.norm"}) {
    model.unused.push_back(std::string(name) + ".weight");
    model.unused.push_back(std::string(name) + ".bias");
  }
  return {};
}

}  // namespace lowbit::models

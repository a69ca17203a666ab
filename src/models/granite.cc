// Granite 3 (IBM): llama with constants on the embedding, the scores, the residuals and the logits, which are
// divided.
#include "models/decoder.h"

namespace lowbit::models {

Result<Model> build_granite(const Source& source) {
  const Config config(source, "granite");
  LOWBIT_ASSIGN(Transformer t, read_transformer(config));
  const auto read = [&](const char* key, float& to) -> Status {
    LOWBIT_ASSIGN(const double value, config.number(key, 1e-9, 1e9, 1.0));
    to = static_cast<float>(value);
    return {};
  };
  LOWBIT_TRY(read("embedding_scale", t.embedding_scale));
  LOWBIT_TRY(read("residual_scale", t.residual_scale));
  LOWBIT_TRY(read("logit_scale", t.logit_scale));
  t.logit_scale = 1.0f / t.logit_scale;
  Model model;
  Layers(model, source).decoder(t);
  return model;
}

}  // namespace lowbit::models

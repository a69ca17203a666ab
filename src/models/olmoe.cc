// OLMoE (arXiv 2409.02060): q and k are normed over their whole rows; the weights of the chosen experts stay as the
// softmax over all gives them.
#include "models/decoder.h"

namespace lowbit::models {

Result<Model> build_olmoe(const Source& source) {
  const Config config(source, "olmoe");
  LOWBIT_ASSIGN(Transformer t, read_transformer(config));
  t.rope.halves = true;
  t.qk_norm = Transformer::QkNorm::row;
  Model model;
  Layers(model, source).decoder(t);
  return model;
}

}  // namespace lowbit::models

// Phi 3 (arXiv 2404.14219): q, k and v in one matrix, gate and up in another. With longrope, contexts up to the
// original one use the short factors.
#include "models/decoder.h"

namespace lowbit::models {

Result<Model> build_phi3(const Source& source) {
  const Config config(source, "phi3");
  LOWBIT_ASSIGN(Transformer t, read_transformer(config));
  t.rope.halves = true;
  t.fused = true;
  Model model;
  Layers(model, source).decoder(t);
  return model;
}

}  // namespace lowbit::models

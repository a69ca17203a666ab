// Qwen 3 (arXiv 2505.09388): each head of q and k is normed before it is turned.
#include "models/decoder.h"

namespace lowbit::models {

Result<Model> build_qwen3(const Source& source) {
  const Config config(source, "qwen3");
  LOWBIT_ASSIGN(Transformer t, read_transformer(config));
  t.rope.halves = true;
  t.qk_norm = Transformer::QkNorm::head;
  Model model;
  Layers(model, source).decoder(t);
  return model;
}

}  // namespace lowbit::models

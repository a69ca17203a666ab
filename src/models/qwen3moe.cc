// Qwen 3 with experts (arXiv 2505.09388): the weights of the chosen experts are divided by their sum.
#include "models/decoder.h"

namespace lowbit::models {

Result<Model> build_qwen3moe(const Source& source) {
  const Config config(source, "qwen3moe");
  LOWBIT_ASSIGN(Transformer t, read_transformer(config));
  t.rope.halves = true;
  t.qk_norm = Transformer::QkNorm::head;
  t.choice.renormalise = true;
  Model model;
  Layers(model, source).decoder(t);
  return model;
}

}  // namespace lowbit::models

// Qwen 2 (arXiv 2407.10671): llama with biases on q, k and v; rotary pairs are halves of a head.
#include "models/decoder.h"

namespace lowbit::models {

Result<Model> build_qwen2(const Source& source) {
  const Config config(source, "qwen2");
  LOWBIT_ASSIGN(Transformer t, read_transformer(config));
  t.rope.halves = true;
  Model model;
  Layers(model, source).decoder(t);
  return model;
}

}  // namespace lowbit::models

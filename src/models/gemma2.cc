// Gemma 2 (arXiv 2408.00118): norms on both sides, softcaps on scores and logits, every second layer (the first of
// two) sees a window only. GGUF stores the weights of norms with 1 added.
#include <cmath>

#include "models/decoder.h"

namespace lowbit::models {

Result<Model> build_gemma2(const Source& source) {
  const Config config(source, "gemma2");
  LOWBIT_ASSIGN(Transformer t, read_transformer(config));
  t.rope.halves = true;
  t.activation = graph::Op::gelu_tanh;
  t.post_norms = true;
  t.embedding_scale = std::sqrt(static_cast<float>(t.width));
  // The largest one scales scores by the width over the heads.
  if (t.layers == 46) t.attention_scale = 1.0f / std::sqrt(static_cast<float>(t.width / t.heads));
  Transformer global = t;
  global.window = 0;
  Model model;
  Layers(model, source).decoder(t, [&](int64_t layer) { return layer % 2 == 0 ? t : global; });
  return model;
}

}  // namespace lowbit::models

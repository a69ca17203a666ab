// Gemma 3 (arXiv 2503.19786), text: norms on both sides and on the heads of q and k; five layers with a window and a
// rotary base of their own, then one that sees everything. GGUF stores the weights of norms with 1 added.
#include <cmath>

#include "models/decoder.h"

namespace lowbit::models {

Result<Model> build_gemma3(const Source& source) {
  const Config config(source, "gemma3");
  LOWBIT_ASSIGN(Transformer t, read_transformer(config));
  t.rope.halves = true;
  t.activation = graph::Op::gelu_tanh;
  t.post_norms = true;
  t.embedding_scale = std::sqrt(static_cast<float>(t.width));
  t.qk_norm = Transformer::QkNorm::head;
  // The largest one scales scores by the width over the heads.
  if (t.layers == 62) t.attention_scale = 1.0f / std::sqrt(static_cast<float>(t.width / t.heads));
  LOWBIT_ASSIGN(const int64_t period, config.integer("attention.sliding_window_pattern", 1, 1 << 16, 6));
  Transformer local = t;
  LOWBIT_ASSIGN(local.rope.base, config.number("rope.freq_base_swa", 1.0, 1e12, 10000.0));
  local.rope.scale = 1.0;
  t.window = 0;
  Model model;
  Layers(model, source).decoder(t, [&](int64_t layer) { return (layer + 1) % period == 0 ? t : local; });
  return model;
}

}  // namespace lowbit::models

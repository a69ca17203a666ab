// ModernBERT (Warner et al., arXiv 2412.13663): an encoder with rotary positions; of three layers the first sees the
// whole text, the others what is at most half a window away and with a rotary base of their own. Layer 0 has no norm
// in front of its attention: the embedding was just normed.
#include "models/decoder.h"
#include "models/encoder.h"

namespace lowbit::models {

Result<Model> build_modernbert(const Source& source) {
  const Config config(source, "modern-bert");
  LOWBIT_ASSIGN(Transformer t, read_transformer(config));
  t.rope.halves = true;
  t.causal = false;
  t.norm = graph::Op::layer_norm;
  t.activation = graph::Op::gelu_erf;
  t.fused = true;
  LOWBIT_ASSIGN(const int64_t period, config.integer("attention.sliding_window_pattern", 1, 1 << 16, 3));
  Transformer local = t;
  LOWBIT_ASSIGN(local.rope.base, config.number("rope.freq_base_swa", 1.0, 1e12, 10000.0));
  if (t.window > 0) local.window = t.window / 2 + 1;
  t.window = 0;
  Model model;
  LOWBIT_TRY(describe_encoder(config, t.context, model));
  Layers layers(model, source);
  layers.describe(t);
  graph::ValueId x = layers.builder().embed("token_embd.weight", t.vocabulary, t.width);
  x = layers.norm(t, "token_embd_norm", x);
  for (int64_t i = 0; i < t.layers; ++i) x = layers.layer(i % period == 0 ? t : local, i, x);
  model.graph.logits = layers.norm(t, "output_norm", x);
  return model;
}

}  // namespace lowbit::models

// OLMo 2 (arXiv 2501.00656): norms behind attention and feed-forward in place of those before; q and k are normed
// over their whole rows.
#include "models/decoder.h"

namespace lowbit::models {

Result<Model> build_olmo2(const Source& source) {
  const Config config(source, "olmo2");
  LOWBIT_ASSIGN(Transformer t, read_transformer(config));
  t.rope.halves = true;
  t.qk_norm = Transformer::QkNorm::row;
  t.pre_norms = false;
  t.post_norms = true;
  Model model;
  Layers(model, source).decoder(t);
  return model;
}

}  // namespace lowbit::models

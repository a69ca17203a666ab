// Llama (Touvron et al., arXiv 2302.13971) and Mistral: pre-norm decoder, rotary positions, grouped-query attention,
// SiLU gate. GGUF stores q and k with rows permuted so that rotary pairs are neighbours (2i, 2i + 1). With experts it
// is Mixtral (arXiv 2401.04088).
#include "models/decoder.h"

namespace lowbit::models {

Result<Model> build_llama(const Source& source) {
  const Config config(source, "llama");
  LOWBIT_ASSIGN(Transformer t, read_transformer(config));
  t.choice.renormalise = true;
  Model model;
  Layers(model, source).decoder(t);
  return model;
}

}  // namespace lowbit::models

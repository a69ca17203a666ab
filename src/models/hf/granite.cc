// Granite: Llama with constants on the embedding, the scores, the residuals and the logits.
#include "models/hf/conversion.h"

namespace lowbit::models::hf {

Status convert_llama(Conversion& c);

Status convert_granite(Conversion& c) {
  LOWBIT_TRY(c.copy_number("attention_multiplier", "attention.scale", 1e-9, 1e9));
  LOWBIT_TRY(c.copy_number("embedding_multiplier", "embedding_scale", 1e-9, 1e9));
  LOWBIT_TRY(c.copy_number("residual_multiplier", "residual_scale", 1e-9, 1e9));
  LOWBIT_TRY(c.copy_number("logits_scaling", "logit_scale", 1e-9, 1e9));
  return convert_llama(c);
}

}  // namespace lowbit::models::hf

// Llama and Mistral: rows of q and k of each head, halves that turn together, become neighbours.
#include "models/hf/conversion.h"

namespace lowbit::models::hf {

constexpr NameRule kRules[] = {{"layers.{}.self_attn.q_proj", "blk.{}.attn_q", Change::permute_q},
                               {"layers.{}.self_attn.k_proj", "blk.{}.attn_k", Change::permute_k}};

Status convert_llama(Conversion& c) {
  LOWBIT_TRY(c.decoder_sizes());
  LOWBIT_TRY(c.rotation());
  LOWBIT_TRY(c.copy_optional_integer("sliding_window", "attention.sliding_window", 1, INT32_MAX));
  LOWBIT_TRY(c.tie(false));
  return c.place(kRules, decoder_rules());
}

}  // namespace lowbit::models::hf

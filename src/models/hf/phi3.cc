// Phi 3: q, k and v in one matrix, gate and up in another.
#include "models/hf/conversion.h"

namespace lowbit::models::hf {

constexpr NameRule kRules[] = {{"layers.{}.self_attn.qkv_proj", "blk.{}.attn_qkv"},
                               {"layers.{}.mlp.gate_up_proj", "blk.{}.ffn_up"}};

Status convert_phi3(Conversion& c) {
  LOWBIT_TRY(c.decoder_sizes());
  LOWBIT_TRY(c.rotation());
  LOWBIT_TRY(c.copy_optional_integer("sliding_window", "attention.sliding_window", 1, INT32_MAX));
  LOWBIT_TRY(c.tie(false));
  return c.place(kRules, decoder_rules());
}

}  // namespace lowbit::models::hf

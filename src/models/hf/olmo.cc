// OLMo 2 (norms behind attention and feed-forward) and OLMoE.
#include "models/hf/conversion.h"

namespace lowbit::models::hf {

constexpr NameRule kRules[] = {{"layers.{}.post_attention_layernorm", "blk.{}.post_attention_norm"},
                               {"layers.{}.post_feedforward_layernorm", "blk.{}.post_ffw_norm"}};

Status convert_olmo2(Conversion& c) {
  LOWBIT_TRY(c.decoder_sizes());
  LOWBIT_TRY(c.rotation());
  LOWBIT_TRY(c.tie(false));
  return c.place(kRules, decoder_rules());
}

Status convert_olmoe(Conversion& c) {
  LOWBIT_TRY(c.decoder_sizes());
  LOWBIT_TRY(c.rotation());
  const bool old = c.is_backwards() || c.config.has("num_experts");
  LOWBIT_TRY(c.copy_integer(old ? "num_experts" : "num_local_experts", "expert_count", 1, 1 << 16));
  LOWBIT_TRY(c.copy_integer("num_experts_per_tok", "expert_used_count", 1, 1 << 16));
  // The weights of the chosen experts stay as they are, and q, k and v are not clipped.
  LOWBIT_TRY(c.expect("norm_topk_prob", false));
  LOWBIT_TRY(c.expect("clip_qkv", nullptr));
  LOWBIT_TRY(c.tie(false));
  return c.place({}, decoder_rules());
}

}  // namespace lowbit::models::hf

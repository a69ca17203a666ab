// Qwen 2, Qwen 3 and Qwen 3 with experts.
#include "models/hf/conversion.h"

namespace lowbit::models::hf {

Status convert_qwen2(Conversion& c) {
  LOWBIT_TRY(c.decoder_sizes());
  LOWBIT_TRY(c.rotation());
  LOWBIT_TRY(c.expect("use_sliding_window", false));
  LOWBIT_TRY(c.tie(false));
  return c.place({}, decoder_rules());
}

// The same keys; the norms of q and k have their rules.
Status convert_qwen3(Conversion& c) { return convert_qwen2(c); }

Status convert_qwen3moe(Conversion& c) {
  // Configurations of transformers 5 call the number num_local_experts.
  const bool old = c.is_backwards() || c.config.has("num_experts");
  LOWBIT_TRY(c.copy_integer(old ? "num_experts" : "num_local_experts", "expert_count", 1, 1 << 16));
  LOWBIT_TRY(c.copy_integer("num_experts_per_tok", "expert_used_count", 1, 1 << 16));
  LOWBIT_TRY(c.copy_integer("moe_intermediate_size", "expert_feed_forward_length", 1, 1 << 24));
  // Every layer has experts, and the weights of the chosen ones are divided by their sum.
  LOWBIT_TRY(c.expect("decoder_sparse_step", 1));
  LOWBIT_TRY(c.expect("mlp_only_layers", nlohmann::json::array()));
  LOWBIT_TRY(c.expect("norm_topk_prob", true));
  return convert_qwen2(c);
}

}  // namespace lowbit::models::hf

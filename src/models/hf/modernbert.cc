// ModernBERT; the head for masked words is left out.
#include "models/hf/conversion.h"

namespace lowbit::models::hf {
namespace {

constexpr NameRule kRules[] = {
    {"embeddings.tok_embeddings", "token_embd"},
    {"embeddings.norm", "token_embd_norm"},
    {"layers.{}.attn_norm", "blk.{}.attn_norm"},
    {"layers.{}.attn.Wqkv", "blk.{}.attn_qkv"},
    {"layers.{}.attn.Wo", "blk.{}.attn_output"},
    {"layers.{}.mlp_norm", "blk.{}.ffn_norm"},
    {"layers.{}.mlp.Wi", "blk.{}.ffn_up"},
    {"layers.{}.mlp.Wo", "blk.{}.ffn_down"},
    {"final_norm", "output_norm"},
    {"head.*", ""},
    {"decoder*", ""},
};

// As rope_parameters (transformers 5), or global_rope_theta and local_rope_theta.
Status rotations(Conversion& c) {
  LOWBIT_ASSIGN(const HfConfig both, c.config.object("rope_parameters"));
  const auto base = [&](const std::string& part, const std::string& old, double fallback,
                        const std::string& to) -> Status {
    LOWBIT_ASSIGN(const HfConfig rope, both.object(part));
    LOWBIT_ASSIGN(const double before, c.config.number(old, 1.0, 1e12, fallback));
    LOWBIT_ASSIGN(const double value, rope.number("rope_theta", 1.0, 1e12, before));
    LOWBIT_TRY(rope.expect("rope_type", "default"));
    c.set(to, value);
    return {};
  };
  LOWBIT_TRY(base("full_attention", "global_rope_theta", 160000.0, "rope.freq_base"));
  return base("sliding_attention", "local_rope_theta", 10000.0, "rope.freq_base_swa");
}

}  // namespace

Status convert_modernbert(Conversion& c) {
  LOWBIT_TRY(c.copy_integer("hidden_size", "embedding_length", 1, 1 << 20));
  LOWBIT_TRY(c.copy_integer("num_hidden_layers", "block_count", 1, 4096));
  LOWBIT_TRY(c.copy_integer("intermediate_size", "feed_forward_length", 1, 1 << 24));
  LOWBIT_TRY(c.copy_integer("num_attention_heads", "attention.head_count", 1, 4096));
  LOWBIT_TRY(c.copy_integer("max_position_embeddings", "context_length", 1, 1 << 24));
  LOWBIT_TRY(c.copy_number("norm_eps", "attention.layer_norm_epsilon", 0.0, 1.0));
  LOWBIT_TRY(c.copy_integer("local_attention", "attention.sliding_window", 1, 1 << 24));
  LOWBIT_TRY(c.copy_integer("global_attn_every_n_layers", "attention.sliding_window_pattern", 1, 1 << 16));
  c.set("attention.causal", false);
  LOWBIT_TRY(c.config.expect("hidden_activation", "gelu"));
  LOWBIT_TRY(rotations(c));
  return c.place(kRules, {});
}

}  // namespace lowbit::models::hf

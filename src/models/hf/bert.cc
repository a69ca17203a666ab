// BERT; heads for training (pooler, masked words) are left out.
#include "models/hf/conversion.h"

namespace lowbit::models::hf {

constexpr NameRule kRules[] = {
    {"embeddings.word_embeddings", "token_embd"},
    {"embeddings.position_embeddings", "position_embd"},
    {"embeddings.token_type_embeddings", "token_types"},
    {"embeddings.LayerNorm", "token_embd_norm"},
    {"embeddings.position_ids", ""},
    {"pooler.*", ""},
    {"cls.*", ""},
    {"encoder.layer.{}.attention.self.query", "blk.{}.attn_q"},
    {"encoder.layer.{}.attention.self.key", "blk.{}.attn_k"},
    {"encoder.layer.{}.attention.self.value", "blk.{}.attn_v"},
    {"encoder.layer.{}.attention.output.dense", "blk.{}.attn_output"},
    {"encoder.layer.{}.attention.output.LayerNorm", "blk.{}.attn_output_norm"},
    {"encoder.layer.{}.intermediate.dense", "blk.{}.ffn_up"},
    {"encoder.layer.{}.output.dense", "blk.{}.ffn_down"},
    {"encoder.layer.{}.output.LayerNorm", "blk.{}.layer_output_norm"},
};

Status convert_bert(Conversion& c) {
  LOWBIT_TRY(c.copy_integer("hidden_size", "embedding_length", 1, 1 << 20));
  LOWBIT_TRY(c.copy_integer("num_hidden_layers", "block_count", 1, 4096));
  LOWBIT_TRY(c.copy_integer("intermediate_size", "feed_forward_length", 1, 1 << 24));
  LOWBIT_TRY(c.copy_integer("num_attention_heads", "attention.head_count", 1, 4096));
  LOWBIT_TRY(c.copy_integer("max_position_embeddings", "context_length", 1, 1 << 24));
  LOWBIT_TRY(c.copy_number("layer_norm_eps", "attention.layer_norm_epsilon", 0.0, 1.0));
  c.set("attention.causal", false);
  LOWBIT_TRY(c.config.expect("hidden_act", "gelu"));
  LOWBIT_TRY(c.config.expect("position_embedding_type", "absolute"));
  return c.place(kRules, {});
}

}  // namespace lowbit::models::hf

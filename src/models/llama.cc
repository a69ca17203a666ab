// Llama (Touvron et al., arXiv 2302.13971): pre-norm decoder, rotary positions, grouped-query attention, SiLU gate.
// GGUF stores q and k with rows permuted so that rotary pairs are neighbours (2i, 2i + 1).
#include <cmath>

#include "models/blocks.h"

namespace lowbit::models {
namespace {

struct Shape {
  int64_t width, hidden, layers, heads, kv_heads, head_dim, context, vocabulary;
  float epsilon;
  double rope_base;
};

Result<Shape> read_shape(const Source& source) {
  const Config config(source, "llama");
  Shape s{};
  LOWBIT_ASSIGN(s.width, config.integer("embedding_length", 1, 1 << 20));
  LOWBIT_ASSIGN(s.hidden, config.integer("feed_forward_length", 1, 1 << 24));
  LOWBIT_ASSIGN(s.layers, config.integer("block_count", 1, 4096));
  LOWBIT_ASSIGN(s.heads, config.integer("attention.head_count", 1, 4096));
  LOWBIT_ASSIGN(s.kv_heads, config.integer("attention.head_count_kv", 1, 4096, s.heads));
  LOWBIT_ASSIGN(s.head_dim, config.integer("attention.key_length", 1, 1 << 16, s.width / s.heads));
  LOWBIT_ASSIGN(s.context, config.integer("context_length", 1, int64_t{1} << 32));
  LOWBIT_ASSIGN(const double epsilon, config.number("attention.layer_norm_rms_epsilon", 0.0, 1.0));
  s.epsilon = static_cast<float>(epsilon);
  LOWBIT_ASSIGN(s.rope_base, config.number("rope.freq_base", 1.0, 1e12, 10000.0));
  LOWBIT_ASSIGN(const int64_t turned, config.integer("rope.dimension_count", 1, 1 << 16, s.head_dim));
  if (s.heads % s.kv_heads != 0) {
    return errorf("{}: {} is {}, which does not divide {} heads", source.path, config.full("attention.head_count_kv"),
                  s.kv_heads, s.heads);
  }
  if (s.head_dim % 2 != 0 || turned != s.head_dim) {
    return errorf("{}: {} is {}; only rotary positions over a whole head of even width ({}) are supported",
                  source.path, config.full("rope.dimension_count"), turned, s.head_dim);
  }
  LOWBIT_TRY(config.refuse_scaled_rotation());
  // Before a graph of that many is made.
  if (static_cast<uint64_t>(s.layers) > source.tensors.size()) {
    return errorf("{}: {} is {}, but the file has only {} tensors", source.path, config.full("block_count"), s.layers,
                  source.tensors.size());
  }
  const Source::Tensor* embedding = source.find("token_embd.weight");
  if (embedding == nullptr || embedding->shape.size() != 2) {
    return errorf("{}: tensor token_embd.weight is missing or no matrix", source.path);
  }
  s.vocabulary = embedding->shape[0];
  return s;
}

// One decoder layer.
graph::ValueId layer(Builder& b, const Shape& s, int64_t index, graph::ValueId x) {
  const std::string prefix = fmt::format("blk.{}.", index);
  const auto name = [&](const char* part) { return prefix + part; };
  const auto weight = [&](const char* part) { return prefix + part + ".weight"; };
  const int64_t q_width = s.heads * s.head_dim, kv_width = s.kv_heads * s.head_dim;
  graph::Rope rope{static_cast<int32_t>(s.heads), static_cast<int32_t>(s.head_dim), s.rope_base, 1.0, false};
  graph::Rope kv_rope = rope;
  kv_rope.heads = static_cast<int32_t>(s.kv_heads);
  graph::Attention attention{static_cast<int32_t>(index),
                             static_cast<int32_t>(s.heads),
                             static_cast<int32_t>(s.kv_heads),
                             static_cast<int32_t>(s.head_dim),
                             1.0f / std::sqrt(static_cast<float>(s.head_dim)),
                             {}};

  const graph::ValueId normed = b.rms_norm(name("attn_norm"), x, weight("attn_norm"), s.width, s.epsilon);
  const graph::ValueId q = b.linear(name("attn_q"), normed, weight("attn_q"), q_width, s.width);
  const graph::ValueId k = b.linear(name("attn_k"), normed, weight("attn_k"), kv_width, s.width);
  const graph::ValueId v = b.linear(name("attn_v"), normed, weight("attn_v"), kv_width, s.width);
  const graph::ValueId mixed =
      b.attention(name("attn"), b.rope(name("q_rope"), q, rope), b.rope(name("k_rope"), k, kv_rope), v, attention);
  const graph::ValueId out = b.linear(name("attn_output"), mixed, weight("attn_output"), s.width, q_width);
  x = b.add(name("attn_residual"), x, out);

  const graph::ValueId ffn = b.rms_norm(name("ffn_norm"), x, weight("ffn_norm"), s.width, s.epsilon);
  const graph::ValueId gate = b.linear(name("ffn_gate"), ffn, weight("ffn_gate"), s.hidden, s.width);
  const graph::ValueId up = b.linear(name("ffn_up"), ffn, weight("ffn_up"), s.hidden, s.width);
  const graph::ValueId gated = b.silu_gate(name("ffn_gated"), gate, up);
  const graph::ValueId down = b.linear(name("ffn_down"), gated, weight("ffn_down"), s.width, s.hidden);
  return b.add(name("ffn_residual"), x, down);
}

}  // namespace

Result<Model> build_llama(const Source& source) {
  LOWBIT_ASSIGN(const Shape s, read_shape(source));
  Model model;
  model.context = s.context;
  model.layers = static_cast<int32_t>(s.layers);
  model.vocabulary = s.vocabulary;
  Builder b(model.graph);
  graph::ValueId x = b.embed("token_embd.weight", s.vocabulary, s.width);
  for (int64_t i = 0; i < s.layers; ++i) x = layer(b, s, i, x);
  x = b.rms_norm("output_norm", x, "output_norm.weight", s.width, s.epsilon);
  const bool tied = source.find("output.weight") == nullptr;
  model.graph.logits = b.linear("logits", x, tied ? "token_embd.weight" : "output.weight", s.vocabulary, s.width);
  return model;
}

}  // namespace lowbit::models

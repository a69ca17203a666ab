#include "models/decoder.h"

#include <cmath>

namespace lowbit::models {
namespace {

using graph::Op;
using graph::ValueId;

Status read_sizes(const Config& config, Transformer& t) {
  const Source& source = config.source();
  LOWBIT_ASSIGN(t.width, config.integer("embedding_length", 1, 1 << 20));
  LOWBIT_ASSIGN(t.hidden, config.integer("feed_forward_length", 0, 1 << 24));
  LOWBIT_ASSIGN(t.layers, config.integer("block_count", 1, 4096));
  LOWBIT_ASSIGN(t.heads, config.integer("attention.head_count", 1, 4096));
  LOWBIT_ASSIGN(t.kv_heads, config.integer("attention.head_count_kv", 1, 4096, t.heads));
  LOWBIT_ASSIGN(t.head_dim, config.integer("attention.key_length", 1, 1 << 16, t.width / t.heads));
  LOWBIT_ASSIGN(const int64_t value_dim, config.integer("attention.value_length", 1, 1 << 16, t.head_dim));
  LOWBIT_ASSIGN(t.context, config.integer("context_length", 1, int64_t{1} << 32));
  if (t.head_dim == 0) {
    return errorf("{}: {} is {}, but the width is only {}", source.path, config.full("attention.head_count"), t.heads,
                  t.width);
  }
  if (t.heads % t.kv_heads != 0) {
    return errorf("{}: {} is {}, which does not divide {} heads", source.path, config.full("attention.head_count_kv"),
                  t.kv_heads, t.heads);
  }
  if (value_dim != t.head_dim) {
    return errorf("{}: {} is {}, expected that of the keys, {}", source.path, config.full("attention.value_length"),
                  value_dim, t.head_dim);
  }
  // Before a graph of that many is made.
  if (static_cast<uint64_t>(t.layers) > source.tensors.size()) {
    return errorf("{}: {} is {}, but the file has only {} tensors", source.path, config.full("block_count"), t.layers,
                  source.tensors.size());
  }
  const Source::Tensor* embedding = source.find("token_embd.weight");
  if (embedding == nullptr || embedding->shape.size() != 2) {
    return errorf("{}: tensor token_embd.weight is missing or no matrix", source.path);
  }
  t.vocabulary = embedding->shape[0];
  const bool root = config.has("attention.layer_norm_rms_epsilon") || !config.has("attention.layer_norm_epsilon");
  LOWBIT_ASSIGN(const double epsilon,
                config.number(root ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon", 0.0, 1.0));
  t.epsilon = static_cast<float>(epsilon);
  return {};
}

// Linear scaling divides positions by a factor; frequency factors come as a tensor (Llama 3, longrope).
Status read_rotation(const Config& config, Transformer& t) {
  const Source& source = config.source();
  t.rope.dim = static_cast<int32_t>(t.head_dim);
  LOWBIT_ASSIGN(t.rope.base, config.number("rope.freq_base", 1.0, 1e12, 10000.0));
  LOWBIT_ASSIGN(const int64_t turned, config.integer("rope.dimension_count", 1, 1 << 16, t.head_dim));
  if (turned % 2 != 0 || turned > t.head_dim) {
    return errorf("{}: {} is {}, expected an even number of at most the width of a head ({})", source.path,
                  config.full("rope.dimension_count"), turned, t.head_dim);
  }
  t.rope.turned = static_cast<int32_t>(turned);
  LOWBIT_ASSIGN(const std::string type, config.text("rope.scaling.type", "linear"));
  if (type != "linear" && type != "none" && type != "longrope") {
    return errorf("{}: metadata key {} is {}, expected none, linear or longrope", source.path,
                  config.full("rope.scaling.type"), describe(type));
  }
  const std::string key = config.has("rope.scaling.factor") ? "rope.scaling.factor" : "rope.scale_linear";
  LOWBIT_ASSIGN(const double factor, config.number(key, 0.0, 1e6, 1.0));
  if (type == "linear" && factor != 0.0) t.rope.scale = 1.0 / factor;
  LOWBIT_ASSIGN(t.rope.amplitude, config.number("rope.scaling.attn_factor", 0.0, 1e3, 1.0));
  if (source.find("rope_freqs.weight") != nullptr) t.factors = "rope_freqs.weight";
  if (type == "longrope" && source.find("rope_factors_short.weight") != nullptr) {
    // The other factors, of longer contexts, turn all positions in another way.
    t.factors = "rope_factors_short.weight";
    LOWBIT_ASSIGN(t.context, config.integer("rope.scaling.original_context_length", 1, t.context, t.context));
  }
  return {};
}

Status read_scales(const Config& config, Transformer& t) {
  const auto read = [&](const char* key, double fallback, float& to) -> Status {
    LOWBIT_ASSIGN(const double value, config.number(key, -1e9, 1e9, fallback));
    to = static_cast<float>(value);
    return {};
  };
  const double scale = 1.0 / std::sqrt(static_cast<double>(t.head_dim));
  LOWBIT_TRY(read("attention.scale", 0.0, t.attention_scale));
  if (t.attention_scale == 0.0f) t.attention_scale = static_cast<float>(scale);
  LOWBIT_TRY(read("attn_logit_softcapping", 0.0, t.score_cap));
  LOWBIT_TRY(read("final_logit_softcapping", 0.0, t.logit_cap));
  LOWBIT_ASSIGN(t.window, config.integer("attention.sliding_window", 0, INT32_MAX, 0));
  LOWBIT_ASSIGN(t.experts, config.integer("expert_count", 0, 1 << 16, 0));
  if (t.experts == 0) return {};
  LOWBIT_ASSIGN(const int64_t used, config.integer("expert_used_count", 1, t.experts));
  LOWBIT_ASSIGN(t.expert_hidden, config.integer("expert_feed_forward_length", 1, 1 << 24, t.hidden));
  t.choice = {static_cast<int32_t>(used), true, false};
  return {};
}

}  // namespace

Result<Transformer> read_transformer(const Config& config) {
  Transformer t;
  LOWBIT_TRY(read_sizes(config, t));
  LOWBIT_TRY(read_rotation(config, t));
  LOWBIT_TRY(read_scales(config, t));
  return t;
}

ValueId Layers::with_bias(const std::string& name, ValueId x, int64_t width) {
  const std::string bias = name + ".bias";
  return has(bias) ? b_.bias(bias, x, bias, width) : x;
}

ValueId Layers::norm(const Transformer& t, const std::string& name, ValueId x) {
  const auto make = t.norm == Op::layer_norm ? &Builder::layer_norm : &Builder::rms_norm;
  return with_bias(name, (b_.*make)(name, x, name + ".weight", t.width, t.epsilon), t.width);
}

ValueId Layers::linear(const std::string& name, ValueId x, int64_t rows, int64_t cols) {
  return with_bias(name, b_.linear(name, x, name + ".weight", rows, cols), rows);
}

ValueId Layers::normed_heads(const Transformer& t, const std::string& name, ValueId x, int64_t width) {
  if (t.qk_norm == Transformer::QkNorm::none) return x;
  const int64_t over = t.qk_norm == Transformer::QkNorm::head ? t.head_dim : width;
  return b_.rms_norm(name, x, name + ".weight", over, t.epsilon);
}

ValueId Layers::attention(const Transformer& t, int64_t layer, ValueId x) {
  const std::string prefix = fmt::format("blk.{}.", layer);
  const int64_t q_width = t.q_width(), kv_width = t.kv_width();
  ValueId q = -1, k = -1, v = -1;
  if (t.fused) {
    const ValueId all = linear(prefix + "attn_qkv", x, q_width + 2 * kv_width, t.width);
    q = b_.slice(prefix + "attn_q", all, 0, q_width);
    k = b_.slice(prefix + "attn_k", all, q_width, kv_width);
    v = b_.slice(prefix + "attn_v", all, q_width + kv_width, kv_width);
  } else {
    q = linear(prefix + "attn_q", x, q_width, t.width);
    k = linear(prefix + "attn_k", x, kv_width, t.width);
    v = linear(prefix + "attn_v", x, kv_width, t.width);
  }
  q = normed_heads(t, prefix + "attn_q_norm", q, q_width);
  k = normed_heads(t, prefix + "attn_k_norm", k, kv_width);
  if (t.rotary) {
    graph::Rope rope = t.rope;
    rope.heads = static_cast<int32_t>(t.heads);
    q = b_.rope(prefix + "q_rope", q, rope, t.factors);
    rope.heads = static_cast<int32_t>(t.kv_heads);
    k = b_.rope(prefix + "k_rope", k, rope, t.factors);
  }
  const graph::Attention attention{static_cast<int32_t>(layer),
                                   static_cast<int32_t>(t.heads),
                                   static_cast<int32_t>(t.kv_heads),
                                   static_cast<int32_t>(t.head_dim),
                                   t.attention_scale,
                                   {},
                                   static_cast<int32_t>(t.window),
                                   t.score_cap,
                                   t.causal};
  return linear(prefix + "attn_output", b_.attention(prefix + "attn", q, k, v, attention), t.width, q_width);
}

ValueId Layers::gated(const Transformer& t, const std::string& prefix, ValueId gate, ValueId up) {
  const std::string name = prefix + "ffn_gated";
  if (t.activation == Op::silu_gate) return b_.silu_gate(name, gate, up);
  const auto make = t.activation == Op::gelu_tanh ? &Builder::gelu_tanh : &Builder::gelu_erf;
  return b_.multiply(name, (b_.*make)(prefix + "ffn_active", gate), up);
}

ValueId Layers::feed_forward(const Transformer& t, int64_t layer, ValueId x) {
  const std::string prefix = fmt::format("blk.{}.", layer);
  ValueId gate = -1, up = -1;
  if (t.fused) {
    const ValueId both = linear(prefix + "ffn_up", x, 2 * t.hidden, t.width);
    gate = b_.slice(prefix + "ffn_up.gate", both, 0, t.hidden);
    up = b_.slice(prefix + "ffn_up.up", both, t.hidden, t.hidden);
  } else {
    gate = linear(prefix + "ffn_gate", x, t.hidden, t.width);
    up = linear(prefix + "ffn_up", x, t.hidden, t.width);
  }
  return linear(prefix + "ffn_down", gated(t, prefix, gate, up), t.width, t.hidden);
}

ValueId Layers::experts(const Transformer& t, int64_t layer, ValueId x) {
  const std::string prefix = fmt::format("blk.{}.", layer);
  const auto product = [&](const char* part, ValueId in, ValueId chosen, int64_t rows, int64_t cols) {
    return b_.expert_linear(prefix + part, in, chosen, prefix + part + ".weight", {t.experts, rows, cols});
  };
  const ValueId router = linear(prefix + "ffn_gate_inp", x, t.experts, t.width);
  const ValueId chosen = b_.top_k(prefix + "ffn_chosen", router, t.choice);
  const ValueId gate = product("ffn_gate_exps", x, chosen, t.expert_hidden, t.width);
  const ValueId up = product("ffn_up_exps", x, chosen, t.expert_hidden, t.width);
  const ValueId down = product("ffn_down_exps", gated(t, prefix, gate, up), chosen, t.width, t.expert_hidden);
  return b_.combine(prefix + "ffn_mixed", down, chosen);
}

ValueId Layers::residual(const Transformer& t, const std::string& name, ValueId x, ValueId part) {
  if (t.residual_scale != 1.0f) part = b_.scale(name + ".scaled", part, t.residual_scale);
  return b_.add(name, x, part);
}

ValueId Layers::layer(const Transformer& t, int64_t layer, ValueId x) {
  const std::string prefix = fmt::format("blk.{}.", layer);
  // Where an encoder norms its embedding, layer 0 may have no norm of its own.
  const bool first = t.pre_norms && (has(prefix + "attn_norm.weight") || t.causal || layer > 0);
  ValueId part = first ? norm(t, prefix + "attn_norm", x) : x;
  part = attention(t, layer, part);
  if (t.post_norms) part = norm(t, prefix + "post_attention_norm", part);
  x = residual(t, prefix + "attn_residual", x, part);
  part = t.pre_norms ? norm(t, prefix + "ffn_norm", x) : x;
  part = t.experts > 0 ? experts(t, layer, part) : feed_forward(t, layer, part);
  if (t.post_norms) part = norm(t, prefix + "post_ffw_norm", part);
  return residual(t, prefix + "ffn_residual", x, part);
}

void Layers::describe(const Transformer& t) {
  model_.context = t.context;
  model_.layers = static_cast<int32_t>(t.layers);
  model_.vocabulary = t.vocabulary;
  for (const char* name : {"rope_factors_long.weight", "rope_factors_short.weight"}) {
    if (t.factors == "rope_factors_short.weight" && name != t.factors) model_.unused.emplace_back(name);
  }
}

void Layers::decoder(const Transformer& t, const std::function<Transformer(int64_t)>& of_layer) {
  describe(t);
  ValueId x = b_.embed("token_embd.weight", t.vocabulary, t.width);
  if (t.embedding_scale != 1.0f) x = b_.scale("embedding.scaled", x, t.embedding_scale);
  for (int64_t i = 0; i < t.layers; ++i) x = layer(of_layer ? of_layer(i) : t, i, x);
  x = norm(t, "output_norm", x);
  const std::string head = has("output.weight") ? "output.weight" : "token_embd.weight";
  x = b_.linear("logits", x, head, t.vocabulary, t.width);
  x = with_bias("output", x, t.vocabulary);
  if (t.logit_scale != 1.0f) x = b_.scale("logits.scaled", x, t.logit_scale);
  if (t.logit_cap > 0.0f) x = b_.softcap("logits.capped", x, t.logit_cap);
  model_.graph.logits = x;
}

}  // namespace lowbit::models

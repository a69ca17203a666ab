// Keys of config.json that decoders share: sizes and rotary positions.
#include <cmath>
#include <numbers>

#include "arith/functions.h"
#include "models/hf/conversion.h"

namespace lowbit::models::hf {

Result<int64_t> Conversion::head_dim() const {
  LOWBIT_ASSIGN(const int64_t width, config.integer("hidden_size", 1, 1 << 20));
  LOWBIT_ASSIGN(const int64_t heads, config.integer("num_attention_heads", 1, 4096));
  return config.integer("head_dim", 1, 1 << 16, width / heads);
}

Status Conversion::decoder_sizes(const std::string& activation_key, const std::string& activation) {
  if (is_backwards()) LOWBIT_TRY(sizes_back());
  LOWBIT_TRY(copy_integer("hidden_size", "embedding_length", 1, 1 << 20));
  LOWBIT_TRY(copy_integer("num_hidden_layers", "block_count", 1, 4096));
  LOWBIT_TRY(copy_integer("intermediate_size", "feed_forward_length", 1, 1 << 24));
  LOWBIT_TRY(copy_integer("num_attention_heads", "attention.head_count", 1, 4096));
  const bool grouped = config.has("num_key_value_heads");
  if (!is_backwards())
    LOWBIT_TRY(
        copy_integer(grouped ? "num_key_value_heads" : "num_attention_heads", "attention.head_count_kv", 1, 4096));
  LOWBIT_TRY(copy_integer("max_position_embeddings", "context_length", 1, int64_t{1} << 32));
  LOWBIT_TRY(copy_number("rms_norm_eps", "attention.layer_norm_rms_epsilon", 0.0, 1.0));
  LOWBIT_ASSIGN(const int64_t dim, head_dim());
  set("attention.key_length", dim);
  set("attention.value_length", dim);
  return expect(activation_key, activation);
}

// Llama 3: slow frequencies are divided by the factor, fast ones stay, those between are mixed.
Status Conversion::llama3(const HfConfig& rope, double base) {
  LOWBIT_ASSIGN(const double factor, rope.number("factor", 1e-3, 1e6));
  LOWBIT_ASSIGN(const double low, rope.number("low_freq_factor", 1e-3, 1e6));
  LOWBIT_ASSIGN(const double high, rope.number("high_freq_factor", 1e-3, 1e6));
  LOWBIT_ASSIGN(const double original, rope.number("original_max_position_embeddings", 1.0, 1e10));
  LOWBIT_ASSIGN(const int64_t dim, head_dim());
  if (!(low < high)) return rope.error("low_freq_factor", fmt::format("{}", low), "less than high_freq_factor");
  std::vector<float> factors;
  for (int64_t i = 0; i < dim / 2; ++i) {
    const double exponent = static_cast<double>(2 * i) / static_cast<double>(dim);
    const double length = 2.0 * std::numbers::pi * arith::exp2(exponent * arith::log2(base));
    double divisor = 1.0;
    if (length > original / low) {
      divisor = factor;
    } else if (length >= original / high) {
      const double smooth = (original / length - low) / (high - low);
      divisor = 1.0 / ((1.0 - smooth) / factor + smooth);
    }
    factors.push_back(static_cast<float>(divisor));
  }
  add_vector("rope_freqs.weight", std::move(factors));
  return {};
}

// Phi 3: a factor for each frequency, one list up to the original context, one beyond.
Status Conversion::longrope(const HfConfig& rope) {
  LOWBIT_ASSIGN(const int64_t context, config.integer("max_position_embeddings", 1, int64_t{1} << 32));
  const HfConfig& where = config.has("original_max_position_embeddings") ? config : rope;
  LOWBIT_ASSIGN(const int64_t original, where.integer("original_max_position_embeddings", 2, context));
  const double ratio = static_cast<double>(context) / static_cast<double>(original);
  const double amplitude = std::sqrt(1.0 + arith::log2(ratio) / arith::log2(static_cast<double>(original)));
  LOWBIT_ASSIGN(const double stated, rope.number("attention_factor", 0.0, 1e3, amplitude));
  set("rope.scaling.type", "longrope");
  set("rope.scaling.original_context_length", original);
  set("rope.scaling.attn_factor", stated);
  LOWBIT_ASSIGN(std::vector<float> small, rope.numbers("short_factor"));
  LOWBIT_ASSIGN(std::vector<float> large, rope.numbers("long_factor"));
  add_vector("rope_factors_short.weight", std::move(small));
  add_vector("rope_factors_long.weight", std::move(large));
  return {};
}

// As rope_parameters (transformers 5), or rope_theta and rope_scaling.
Status Conversion::rotation() {
  if (is_backwards()) return rotation_back();
  LOWBIT_ASSIGN(const HfConfig rope,
                config.object(config.has("rope_parameters") ? "rope_parameters" : "rope_scaling"));
  const HfConfig& with_base = rope.has("rope_theta") ? rope : config;
  LOWBIT_ASSIGN(const double base, with_base.number("rope_theta", 1.0, 1e12, 10000.0));
  set("rope.freq_base", base);
  const HfConfig& with_part = rope.has("partial_rotary_factor") ? rope : config;
  LOWBIT_ASSIGN(const double part, with_part.number("partial_rotary_factor", 0.0, 1.0, 1.0));
  LOWBIT_ASSIGN(const int64_t dim, head_dim());
  if (part < 1.0) set("rope.dimension_count", static_cast<int64_t>(part * static_cast<double>(dim)));
  const std::string key = rope.has("rope_type") ? "rope_type" : "type";
  LOWBIT_ASSIGN(const std::string type, rope.text(key, "default"));
  // "dynamic" turns only what lies beyond the trained context in another way.
  if (type == "default" || type == "dynamic") return {};
  if (type == "linear") {
    LOWBIT_ASSIGN(const double factor, rope.number("factor", 1e-3, 1e6));
    set("rope.scaling.type", "linear");
    set("rope.scaling.factor", factor);
    return {};
  }
  if (type == "llama3") return llama3(rope, base);
  if (type == "longrope" || type == "su") return longrope(rope);
  return rope.error(key, "\"" + type.substr(0, 40) + "\"", "default, linear, dynamic, llama3 or longrope");
}

}  // namespace lowbit::models::hf

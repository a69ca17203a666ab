// Gemma 2 and Gemma 3: norms on both sides; a norm multiplies by 1 + its weights, which GGUF stores as one number.
#include <cmath>

#include "models/hf/conversion.h"

namespace lowbit::models::hf {
namespace {

constexpr NameRule kRules[] = {{"layers.{}.post_attention_layernorm", "blk.{}.post_attention_norm"},
                               {"layers.{}.pre_feedforward_layernorm", "blk.{}.ffn_norm"},
                               {"layers.{}.post_feedforward_layernorm", "blk.{}.post_ffw_norm"},
                               {"vision_tower.*", ""},
                               {"model.vision_tower.*", ""},
                               {"multi_modal_projector.*", ""}};

// Values of Gemma3TextConfig, which configurations leave out where they are those of transformers.
void fill_gemma3(nlohmann::json& values) {
  const std::pair<const char*, nlohmann::json> kDefaults[] = {
      {"head_dim", 256},       {"num_attention_heads", 8},     {"num_key_value_heads", 4},
      {"rms_norm_eps", 1e-6},  {"query_pre_attn_scalar", 256}, {"max_position_embeddings", 131072},
      {"sliding_window", 4096}};
  for (const auto& [key, value] : kDefaults) {
    if (!values.contains(key) || values[key].is_null()) values[key] = value;
  }
}

Status scores(Conversion& c) {
  if (c.is_backwards()) {
    const nlohmann::json scale = c.given("attention.scale");
    const double root = scale.is_number() ? 1.0 / scale.get<double>() : 0.0;
    c.write("query_pre_attn_scalar", scale.is_number() ? nlohmann::json(root * root) : c.config.values()["head_dim"]);
  }
  LOWBIT_ASSIGN(const int64_t dim, c.config.integer("head_dim", 1, 1 << 16));
  LOWBIT_ASSIGN(const double scalar, c.config.number("query_pre_attn_scalar", 1e-6, 1e9));
  if (scalar != static_cast<double>(dim)) c.set("attention.scale", 1.0 / std::sqrt(scalar));
  return c.copy_integer("sliding_window", "attention.sliding_window", 1, INT32_MAX);
}

// Base and factor for the layers that see everything, the base of those with a window.
Status rotations(Conversion& c) {
  if (c.is_backwards()) {
    const nlohmann::json local = c.given("rope.freq_base_swa");
    c.write("rope_local_base_freq", local.is_null() ? nlohmann::json(10000.0) : local);
    return c.rotation();
  }
  const nlohmann::json whole = c.config.values();
  LOWBIT_ASSIGN(const HfConfig both, c.config.object("rope_parameters"));
  if (!both.has("full_attention")) {
    LOWBIT_ASSIGN(const double local, c.config.number("rope_local_base_freq", 1.0, 1e12, 10000.0));
    c.set("rope.freq_base_swa", local);
    LOWBIT_TRY(c.rotation());
    if (!c.config.has("rope_theta") && !both.has("rope_theta")) c.set("rope.freq_base", 1e6);
    return {};
  }
  LOWBIT_ASSIGN(const HfConfig local, both.object("sliding_attention"));
  LOWBIT_ASSIGN(const double base, local.number("rope_theta", 1.0, 1e12, 10000.0));
  c.set("rope.freq_base_swa", base);
  nlohmann::json full = whole;
  full["rope_parameters"] = both.values().at("full_attention");
  const HfConfig kept = c.config;
  c.config = HfConfig(full, c.config.path());
  const Status done = c.rotation();
  c.config = kept;
  return done;
}

// The number of layers of which the last sees everything.
Status pattern(Conversion& c) {
  if (c.is_backwards()) {
    const nlohmann::json given = c.given("attention.sliding_window_pattern");
    const nlohmann::json period = given.is_number_unsigned() && given != 0 ? given : nlohmann::json(6);
    nlohmann::json types = nlohmann::json::array();
    for (int64_t i = 1; i <= c.config.values()["num_hidden_layers"]; ++i) {
      types.push_back(i % period.get<int64_t>() == 0 ? "full_attention" : "sliding_attention");
    }
    c.write("sliding_window_pattern", period);
    c.write("layer_types", types);
    return {};
  }
  const std::string key =
      c.config.has("sliding_window_pattern") ? "sliding_window_pattern" : "_sliding_window_pattern";
  LOWBIT_ASSIGN(const int64_t period, c.config.integer(key, 1, 1 << 16, 6));
  const auto types = c.config.values().find("layer_types");
  if (types != c.config.values().end() && types->is_array()) {
    for (size_t i = 0; i < types->size(); ++i) {
      const bool full = (i + 1) % static_cast<size_t>(period) == 0;
      if ((*types)[i] == (full ? "full_attention" : "sliding_attention")) continue;
      return c.config.error("layer_types", fmt::format("another at layer {}", i),
                            fmt::format("full_attention in every {}th layer", period));
    }
  }
  if (period != 6) c.set("attention.sliding_window_pattern", period);
  return {};
}

}  // namespace

Status convert_gemma2(Conversion& c) {
  LOWBIT_TRY(c.decoder_sizes("hidden_activation", "gelu_pytorch_tanh"));
  LOWBIT_TRY(c.rotation());
  LOWBIT_TRY(scores(c));
  LOWBIT_TRY(c.copy_number("attn_logit_softcapping", "attn_logit_softcapping", 0.0, 1e6));
  LOWBIT_TRY(c.copy_number("final_logit_softcapping", "final_logit_softcapping", 0.0, 1e6));
  LOWBIT_TRY(c.tie(true));
  return c.place(kRules, decoder_rules(), 1.0f);
}

Status convert_gemma3(Conversion& c) {
  const HfConfig given = c.config;
  nlohmann::json values = given.values();
  fill_gemma3(values);
  if (!c.is_backwards()) c.config = HfConfig(values, given.path());
  const auto convert = [&]() -> Status {
    LOWBIT_TRY(c.decoder_sizes("hidden_activation", "gelu_pytorch_tanh"));
    LOWBIT_TRY(rotations(c));
    LOWBIT_TRY(scores(c));
    LOWBIT_TRY(pattern(c));
    LOWBIT_TRY(c.tie(true));
    return c.place(kRules, decoder_rules(), 1.0f);
  };
  const Status done = convert();
  c.config = given;
  return done;
}

// The text part; the part that sees is left out.
Status convert_gemma3_of_images(Conversion& c) {
  LOWBIT_ASSIGN(c.config, c.config.object("text_config"));
  return convert_gemma3(c);
}

}  // namespace lowbit::models::hf

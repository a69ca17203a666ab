#include "cost/shapes.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/nearest.h"

namespace lowbit::cost {
namespace {

constexpr Shape kShapes[] = {
#define LOWBIT_SHAPE(name, architecture, layers, width, heads, kv_heads, head_dim, hidden, vocabulary, context, \
                     tied, extra, experts, chosen)                                                              \
  {name,   architecture,        layers,  width, heads,        kv_heads, head_dim,                               \
   hidden, int64_t{vocabulary}, context, tied,  Extra::extra, experts,  chosen},
#include "cost/shapes.inc"
#undef LOWBIT_SHAPE
};

nlohmann::json metadata_of(const Shape& s) {
  nlohmann::json metadata = {{"general.architecture", s.architecture}, {"general.name", s.name}};
  const auto set = [&](const char* key, auto value) { metadata[fmt::format("{}.{}", s.architecture, key)] = value; };
  set("embedding_length", s.width);
  set("feed_forward_length", s.hidden);
  set("block_count", s.layers);
  set("attention.head_count", s.heads);
  set("attention.head_count_kv", s.kv_heads);
  set("attention.key_length", s.head_dim);
  set("attention.value_length", s.head_dim);
  set("context_length", s.context);
  set("attention.layer_norm_rms_epsilon", 1e-5);
  if (s.experts > 0) {
    set("expert_count", s.experts);
    set("expert_used_count", s.chosen);
    set("expert_feed_forward_length", s.hidden);
  }
  if (s.extra == Extra::gemma3) set("attention.sliding_window", 512);  // of the two smallest; the others have 1024
  return metadata;
}

void add_layer(const Shape& s, int64_t layer, NamedList<models::Source::Tensor>& tensors) {
  const auto add = [&](const char* part, std::vector<int64_t> shape) {
    tensors.push_back({fmt::format("blk.{}.{}", layer, part), std::move(shape)});
  };
  const int64_t q = s.heads * s.head_dim, kv = s.kv_heads * s.head_dim;
  add("attn_norm.weight", {s.width});
  add("attn_q.weight", {q, s.width});
  add("attn_k.weight", {kv, s.width});
  add("attn_v.weight", {kv, s.width});
  add("attn_output.weight", {s.width, q});
  add("ffn_norm.weight", {s.width});
  if (s.experts > 0) {
    add("ffn_gate_inp.weight", {s.experts, s.width});
    add("ffn_gate_exps.weight", {s.experts, s.hidden, s.width});
    add("ffn_up_exps.weight", {s.experts, s.hidden, s.width});
    add("ffn_down_exps.weight", {s.experts, s.width, s.hidden});
  } else {
    add("ffn_gate.weight", {s.hidden, s.width});
    add("ffn_up.weight", {s.hidden, s.width});
    add("ffn_down.weight", {s.width, s.hidden});
  }
  if (s.extra == Extra::biases) {
    add("attn_q.bias", {q});
    add("attn_k.bias", {kv});
    add("attn_v.bias", {kv});
  }
  if (s.extra == Extra::head_norms || s.extra == Extra::gemma3) {
    add("attn_q_norm.weight", {s.head_dim});
    add("attn_k_norm.weight", {s.head_dim});
  }
  if (s.extra == Extra::row_norms) {
    add("attn_q_norm.weight", {q});
    add("attn_k_norm.weight", {kv});
  }
  if (s.extra == Extra::gemma3) {
    add("post_attention_norm.weight", {s.width});
    add("post_ffw_norm.weight", {s.width});
  }
}

}  // namespace

std::span<const Shape> shapes() { return kShapes; }

Result<const Shape*> find_shape(std::string_view name) {
  std::vector<std::string_view> names;
  for (const Shape& shape : kShapes) {
    if (shape.name == name) return &shape;
    names.push_back(shape.name);
  }
  return errorf("no shape \"{}\"{}; there are {}", name, did_you_mean(name, names), fmt::join(names, ", "));
}

Result<models::Model> build_shape(const Shape& s) {
  const nlohmann::json metadata = metadata_of(s);
  models::Source source;
  source.path = s.name;
  source.metadata = &metadata;
  source.tensors.push_back({"token_embd.weight", {s.vocabulary, s.width}});
  source.tensors.push_back({"output_norm.weight", {s.width}});
  if (!s.tied) source.tensors.push_back({"output.weight", {s.vocabulary, s.width}});
  for (int64_t i = 0; i < s.layers; ++i) add_layer(s, i, source.tensors);
  return models::build(source);
}

}  // namespace lowbit::cost

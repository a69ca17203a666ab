// What transformers have in common: their sizes, read from the metadata, and their layers. An architecture is a few
// values of this struct.
#pragma once

#include <functional>
#include <string>

#include "models/blocks.h"

namespace lowbit::models {

struct Transformer {
  enum class QkNorm { none, head, row };  // none, over each head, over the whole row

  int64_t width = 0, hidden = 0, layers = 0, heads = 0, kv_heads = 0, head_dim = 0, context = 0, vocabulary = 0;
  float epsilon = 0.0f;
  graph::Rope rope;  // its heads are set per use
  bool rotary = true;
  std::string factors;  // parameter of the rotation's frequency factors; empty: none
  int64_t window = 0;   // 0: all
  bool causal = true;
  float attention_scale = 0.0f;
  float score_cap = 0.0f;  // 0: none
  float logit_cap = 0.0f;
  float embedding_scale = 1.0f, residual_scale = 1.0f, logit_scale = 1.0f;
  QkNorm qk_norm = QkNorm::none;
  graph::Op norm = graph::Op::rms_norm;
  graph::Op activation = graph::Op::silu_gate;  // or gelu_tanh, gelu_erf of the gate
  bool fused = false;                           // attn_qkv is q, k, v; ffn_up is gate and up
  bool pre_norms = true, post_norms = false;
  int64_t experts = 0, expert_hidden = 0;
  graph::TopK choice;

  int64_t q_width() const { return heads * head_dim; }
  int64_t kv_width() const { return kv_heads * head_dim; }
};

// Sizes and scales from the keys that all architectures share; errors name file and key.
Result<Transformer> read_transformer(const Config& config);

// Parts of a layer, named as in GGUF. Biases are used where the file has them.
class Layers {
 public:
  Layers(Model& model, const Source& source) : b_(model.graph), model_(model), source_(source) {}

  Builder& builder() { return b_; }
  // Node `name` with parameters name.weight and, where the file has it, name.bias.
  graph::ValueId norm(const Transformer& t, const std::string& name, graph::ValueId x);
  graph::ValueId linear(const std::string& name, graph::ValueId x, int64_t rows, int64_t cols);
  // From the normed input to the output projection.
  graph::ValueId attention(const Transformer& t, int64_t layer, graph::ValueId x);
  graph::ValueId feed_forward(const Transformer& t, int64_t layer, graph::ValueId x);
  graph::ValueId experts(const Transformer& t, int64_t layer, graph::ValueId x);
  // Attention and feed-forward, each with its norms and its residual.
  graph::ValueId layer(const Transformer& t, int64_t layer, graph::ValueId x);

  // A whole decoder; of_layer gives the values of one layer (all the same where it is empty).
  void decoder(const Transformer& t, const std::function<Transformer(int64_t)>& of_layer = {});
  // Sizes for the rest of the house.
  void describe(const Transformer& t);

 private:
  bool has(const std::string& tensor) const { return source_.find(tensor) != nullptr; }
  graph::ValueId with_bias(const std::string& name, graph::ValueId x, int64_t width);
  graph::ValueId normed_heads(const Transformer& t, const std::string& name, graph::ValueId x, int64_t width);
  graph::ValueId gated(const Transformer& t, const std::string& prefix, graph::ValueId gate, graph::ValueId up);
  graph::ValueId residual(const Transformer& t, const std::string& name, graph::ValueId x, graph::ValueId part);

  Builder b_;
  Model& model_;
  const Source& source_;
};

}  // namespace lowbit::models

// BERT (Devlin et al., arXiv 1810.04805): an encoder with learned positions and token types; a norm follows each
// residual. All tokens are of type 0, as in a single sentence.
#include "models/decoder.h"
#include "models/encoder.h"

namespace lowbit::models {
namespace {

using graph::ValueId;

Result<int64_t> rows_of(const Source& source, const std::string& name) {
  const Source::Tensor* tensor = source.find(name);
  if (tensor != nullptr && tensor->shape.size() == 2) return tensor->shape[0];
  return errorf("{}: tensor {} is missing or no matrix", source.path, name);
}

ValueId layer(Layers& layers, const Transformer& t, int64_t index, ValueId x) {
  Builder& b = layers.builder();
  const std::string prefix = fmt::format("blk.{}.", index);
  x = b.add(prefix + "attn_residual", x, layers.attention(t, index, x));
  x = layers.norm(t, prefix + "attn_output_norm", x);
  const ValueId up = layers.linear(prefix + "ffn_up", x, t.hidden, t.width);
  const ValueId down = layers.linear(prefix + "ffn_down", b.gelu_erf(prefix + "ffn_active", up), t.width, t.hidden);
  return layers.norm(t, prefix + "layer_output_norm", b.add(prefix + "ffn_residual", x, down));
}

}  // namespace

Result<Model> build_bert(const Source& source) {
  const Config config(source, "bert");
  LOWBIT_ASSIGN(Transformer t, read_transformer(config));
  t.rotary = false;
  t.causal = false;
  t.norm = graph::Op::layer_norm;
  LOWBIT_ASSIGN(const int64_t positions, rows_of(source, "position_embd.weight"));
  LOWBIT_ASSIGN(const int64_t types, rows_of(source, "token_types.weight"));
  t.context = std::min(t.context, positions);
  Model model;
  LOWBIT_TRY(describe_encoder(config, t.context, model));
  Layers layers(model, source);
  layers.describe(t);
  Builder& b = layers.builder();
  ValueId x = b.embed("token_embd.weight", t.vocabulary, t.width);
  x = b.row_bias("token_types", x, "token_types.weight", 0, types, t.width);
  x = b.add("placed", x, b.embed_positions("position_embd", "position_embd.weight", positions, t.width));
  x = layers.norm(t, "token_embd_norm", x);
  for (int64_t i = 0; i < t.layers; ++i) x = layer(layers, t, i, x);
  model.graph.logits = x;
  return model;
}

}  // namespace lowbit::models

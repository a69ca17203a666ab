// For tests: a llama of 2 layers with random weights, and random parts to build other graphs of.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/rng.h"
#include "exec/executor.h"
#include "models/model.h"

namespace lowbit::grad {

inline std::vector<float> random_floats(int64_t count, double scale, uint64_t seed) {
  Rng rng(seed);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& v : values) v = static_cast<float>(rng.normal() * scale);
  return values;
}

inline tensor::PackedMatrix packed(const std::string& format, int64_t rows, int64_t cols,
                                   std::span<const float> values) {
  return tensor::pack_plain(formats::parse_format(format).value(), rows, cols, values).value();
}

// Matrices with entries of about `gain` / sqrt(cols); vectors around 1.
inline std::shared_ptr<const tensor::Weight> random_weight(const std::vector<int64_t>& shape, uint64_t seed,
                                                           double gain = 1.0, const std::string& format = "f32") {
  auto weight = std::make_shared<tensor::Weight>();
  weight->shape = shape;
  const int64_t cols = weight->cols(), rows = weight->rows();
  std::vector<float> values = random_floats(rows * cols, gain / std::sqrt(static_cast<double>(cols)), seed);
  if (shape.size() == 1) {
    for (float& v : values) v += 1.0f;
  }
  weight->parts.push_back(packed(format, rows, cols, values));
  return weight;
}

inline std::vector<int32_t> random_tokens(int64_t count, int64_t vocabulary, uint64_t seed) {
  Rng rng(seed);
  std::vector<int32_t> tokens(static_cast<size_t>(count));
  for (int32_t& t : tokens) t = static_cast<int32_t>(rng.below(static_cast<uint64_t>(vocabulary)));
  return tokens;
}

// Weights for all parameters of a graph.
inline exec::Weights random_weights(const graph::Graph& graph, uint64_t seed, double gain = 1.0) {
  exec::Weights weights;
  for (const graph::Parameter& p : graph.parameters) weights[p.name] = random_weight(p.shape, ++seed, gain);
  return weights;
}

// Width 32, 4 heads of 8, 2 kv heads, hidden 48, vocabulary 50, tied embedding.
inline models::Model tiny_llama() {
  const nlohmann::json metadata = {
      {"general.architecture", "llama"}, {"llama.embedding_length", 32},
      {"llama.feed_forward_length", 48}, {"llama.block_count", 2},
      {"llama.attention.head_count", 4}, {"llama.attention.head_count_kv", 2},
      {"llama.context_length", 64},      {"llama.attention.layer_norm_rms_epsilon", 1e-5},
      {"llama.rope.freq_base", 10000.0},
  };
  models::Source source{"tiny", &metadata, {{"token_embd.weight", {50, 32}}, {"output_norm.weight", {32}}}};
  for (const char* layer : {"blk.0.", "blk.1."}) {
    const auto tensor = [&](const std::string& name, std::vector<int64_t> shape) {
      source.tensors.push_back({layer + name + ".weight", std::move(shape)});
    };
    tensor("attn_norm", {32});
    tensor("attn_q", {32, 32});
    tensor("attn_k", {16, 32});
    tensor("attn_v", {16, 32});
    tensor("attn_output", {32, 32});
    tensor("ffn_norm", {32});
    tensor("ffn_gate", {48, 32});
    tensor("ffn_up", {48, 32});
    tensor("ffn_down", {32, 48});
  }
  return models::build(source).value();
}

}  // namespace lowbit::grad

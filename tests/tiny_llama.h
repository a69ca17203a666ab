// Random llamas of a few hundred weights in any formats, and the two ways to run them: exec and the interpreter.
#pragma once

#include <gtest/gtest.h>

#include <map>

#include "exec/executor.h"
#include "graph/interpreter.h"
#include "kernels/test_data.h"
#include "models/model.h"
#include "models/open.h"

namespace lowbit::test {

using kernels::test::first_difference;
using kernels::test::format_of;

struct TinyShape {
  int64_t width = 48, hidden = 56, layers = 2, heads = 4, kv_heads = 2, head_dim = 12, vocabulary = 37;
  bool tied = false;
  int64_t experts = 0, chosen = 2;  // 0: none
};

struct TinyLlama {
  nlohmann::json metadata;
  models::Model model;
  tensor::Weights weights;
};

// The formats of a parameter's parts: of matrices only.
using FormatChoice = std::function<std::vector<formats::Format>(const std::string& name)>;

inline nlohmann::json tiny_metadata(const TinyShape& s) {
  nlohmann::json metadata = {{"general.architecture", "llama"},
                             {"general.name", "tiny"},
                             {"llama.embedding_length", s.width},
                             {"llama.feed_forward_length", s.hidden},
                             {"llama.block_count", s.layers},
                             {"llama.attention.head_count", s.heads},
                             {"llama.attention.head_count_kv", s.kv_heads},
                             {"llama.attention.key_length", s.head_dim},
                             {"llama.context_length", 512},
                             {"llama.attention.layer_norm_rms_epsilon", 1e-5},
                             {"llama.rope.freq_base", 100.0}};
  if (s.experts > 0) {
    metadata["llama.expert_count"] = s.experts;
    metadata["llama.expert_used_count"] = s.chosen;
  }
  return metadata;
}

inline std::vector<models::Source::Tensor> tiny_tensors(const TinyShape& s) {
  std::vector<models::Source::Tensor> tensors = {{"token_embd.weight", {s.vocabulary, s.width}},
                                                 {"output_norm.weight", {s.width}}};
  const int64_t q = s.heads * s.head_dim, kv = s.kv_heads * s.head_dim;
  for (int64_t i = 0; i < s.layers; ++i) {
    const auto add = [&](const char* part, std::vector<int64_t> shape) {
      tensors.push_back({fmt::format("blk.{}.{}.weight", i, part), std::move(shape)});
    };
    add("attn_norm", {s.width});
    add("attn_q", {q, s.width});
    add("attn_k", {kv, s.width});
    add("attn_v", {kv, s.width});
    add("attn_output", {s.width, q});
    add("ffn_norm", {s.width});
    if (s.experts > 0) {
      add("ffn_gate_inp", {s.experts, s.width});
      add("ffn_gate_exps", {s.experts, s.hidden, s.width});
      add("ffn_up_exps", {s.experts, s.hidden, s.width});
      add("ffn_down_exps", {s.experts, s.width, s.hidden});
    } else {
      add("ffn_gate", {s.hidden, s.width});
      add("ffn_up", {s.hidden, s.width});
      add("ffn_down", {s.width, s.hidden});
    }
  }
  if (!s.tied) tensors.push_back({"output.weight", {s.vocabulary, s.width}});
  return tensors;
}

// Entries of a matrix up to 2.5 / sqrt(columns), so that no layer drowns the others; norms around 1.
inline std::shared_ptr<const tensor::Weight> tiny_weight(const models::Source::Tensor& t, const FormatChoice& choose,
                                                         Rng& rng) {
  tensor::Weight weight;
  if (t.shape.size() >= 2) {
    const double gain = 2.5 / std::sqrt(static_cast<double>(t.shape.back()));
    const auto formats = choose(t.name);
    const int64_t rows = t.shape.size() == 2 ? t.shape[0] : t.shape[0] * t.shape[1];
    weight = kernels::test::random_weight(formats, rows, t.shape.back(), formats.size() > 1, rng, gain);
    weight.shape = t.shape;
  } else {
    weight.shape = t.shape;
    std::vector<float> values = kernels::test::normals(t.shape[0], rng);
    for (float& v : values) v = 1.0f + 0.2f * v;
    weight.parts.push_back(tensor::pack_plain(format_of("f32"), 1, t.shape[0], values).value());
  }
  return std::make_shared<tensor::Weight>(std::move(weight));
}

inline TinyLlama tiny_llama(const TinyShape& shape, const FormatChoice& choose, Rng& rng) {
  TinyLlama tiny;
  tiny.metadata = tiny_metadata(shape);
  const models::Source source{"tiny", &tiny.metadata, tiny_tensors(shape)};
  auto model = models::build(source);
  if (!model.ok()) ADD_FAILURE() << model.message();
  tiny.model = std::move(model).value();
  for (const models::Source::Tensor& t : source.tensors) tiny.weights[t.name] = tiny_weight(t, choose, rng);
  return tiny;
}

inline TinyLlama tiny_llama(const TinyShape& shape, const std::string& format, Rng& rng) {
  return tiny_llama(shape, [&](const std::string&) { return std::vector{format_of(format)}; }, rng);
}

inline graph::Graph with_casts(const graph::Graph& graph, const tensor::Weights& weights,
                               const graph::NumericPolicy& policy) {
  return graph::insert_casts(graph, policy,
                             [&](const std::string& name) { return models::formats_of(weights, name); });
}

inline std::vector<int32_t> random_tokens(int64_t count, int64_t vocabulary, Rng& rng) {
  std::vector<int32_t> tokens(static_cast<size_t>(count));
  for (int32_t& t : tokens) t = static_cast<int32_t>(rng.below(static_cast<uint64_t>(vocabulary)));
  return tokens;
}

// Every value of a graph for one sequence: [tokens][width] by ValueId.
using Values = std::vector<std::vector<float>>;

inline Values interpreted(const graph::Graph& graph, const tensor::Weights& weights,
                          std::span<const int32_t> tokens) {
  auto values = graph::interpret(graph, [&](const std::string& name) { return weights.at(name).get(); }, tokens);
  if (!values.ok()) ADD_FAILURE() << values.message();
  return std::move(values).value();
}

inline std::unique_ptr<exec::Executor> executor(const graph::Graph& graph, const tensor::Weights& weights, Isa isa,
                                                int threads) {
  static const auto one = std::make_shared<ThreadPool>(1), two = std::make_shared<ThreadPool>(2);
  auto made = exec::Executor::create(graph, weights, threads == 1 ? one : two, isa);
  if (!made.ok()) ADD_FAILURE() << made.message();
  return std::move(made).value();
}

// Runs segments of whole logits and appends the rows that taps report, value by value.
inline void run_tapped(exec::Executor& executor, std::span<const exec::Segment> segments, Values& taps) {
  taps.resize(executor.graph().values.size());
  std::vector<float> logits;
  const Status status = executor.forward(
      segments, logits, [&](graph::ValueId id, const graph::Value& value, const float* rows, int64_t tokens) {
        auto& out = taps[static_cast<size_t>(id)];
        out.insert(out.end(), rows, rows + tokens * value.width);
      });
  ASSERT_TRUE(status.ok()) << status.error().message;
  const auto& tapped = taps[static_cast<size_t>(executor.graph().logits)];
  ASSERT_GE(tapped.size(), logits.size());
  EXPECT_EQ(first_difference(std::span(tapped).last(logits.size()), logits), -1) << "logits are not what the tap saw";
}

// All values that taps report must be those of the interpreter, and none may be missing.
inline void expect_same_values(const graph::Graph& graph, const Values& taps, const Values& expected,
                               const std::string& what) {
  for (const graph::Node& node : graph.nodes) {
    if (node.op == graph::Op::cast) continue;
    const auto id = static_cast<size_t>(node.output);
    const int64_t at = first_difference(taps[id], expected[id]);
    ASSERT_EQ(at, -1) << what << ": value " << node.name << ", token "
                      << at / std::max<int64_t>(1, graph.values[id].width) << ", sizes " << taps[id].size() << " and "
                      << expected[id].size();
  }
}

}  // namespace lowbit::test

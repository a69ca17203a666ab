#include "models/model.h"

#include <gtest/gtest.h>

namespace lowbit::models {
namespace {

// Width 24, 3 heads of 8, 1 kv head, hidden 40, 2 layers, vocabulary 11.
struct File {
  nlohmann::json metadata = {{"general.architecture", "llama"},
                             {"general.name", "small"},
                             {"llama.embedding_length", 24},
                             {"llama.feed_forward_length", 40},
                             {"llama.block_count", 2},
                             {"llama.attention.head_count", 3},
                             {"llama.attention.head_count_kv", 1},
                             {"llama.context_length", 100},
                             {"llama.attention.layer_norm_rms_epsilon", 1e-6}};
  std::vector<Source::Tensor> tensors = {{"token_embd.weight", {11, 24}}, {"output_norm.weight", {24}}};

  File() {
    for (const std::string layer : {"blk.0.", "blk.1."}) {
      tensors.insert(tensors.end(), {{layer + "attn_norm.weight", {24}},
                                     {layer + "attn_q.weight", {24, 24}},
                                     {layer + "attn_k.weight", {8, 24}},
                                     {layer + "attn_v.weight", {8, 24}},
                                     {layer + "attn_output.weight", {24, 24}},
                                     {layer + "ffn_norm.weight", {24}},
                                     {layer + "ffn_gate.weight", {40, 24}},
                                     {layer + "ffn_up.weight", {40, 24}},
                                     {layer + "ffn_down.weight", {24, 40}}});
    }
  }
  Result<Model> build() const { return models::build({"f.gguf", &metadata, tensors}); }
  // The error, which must name the file and all parts.
  void expect_error(const std::vector<std::string>& parts) const {
    const auto model = build();
    ASSERT_FALSE(model.ok()) << parts[0];
    EXPECT_EQ(model.message().rfind("f.gguf: ", 0), 0u) << model.message();
    for (const std::string& part : parts) EXPECT_NE(model.message().find(part), std::string::npos) << model.message();
  }
};

const graph::Node& node_of(const graph::Graph& graph, const std::string& name) {
  for (const graph::Node& node : graph.nodes) {
    if (node.name == name) return node;
  }
  ADD_FAILURE() << "no node is called " << name;
  return graph.nodes[0];
}

TEST(Llama, Facts) {
  const auto model = File().build();
  ASSERT_TRUE(model.ok()) << model.message();
  EXPECT_EQ(model->architecture, "llama");
  EXPECT_EQ(model->name, "small");
  EXPECT_EQ(model->context, 100);
  EXPECT_EQ(model->layers, 2);
  EXPECT_EQ(model->vocabulary, 11);
  EXPECT_EQ(model->graph.parameters.size(), 20u);
  EXPECT_EQ(model->graph.nodes.size(), 1u + 2u * 15u + 2u);
  EXPECT_EQ(model->graph.values[static_cast<size_t>(model->graph.logits)].width, 11);
  const graph::Attention& a = node_of(model->graph, "blk.1.attn").attention;
  EXPECT_EQ(a.layer, 1);
  EXPECT_EQ(a.heads, 3);
  EXPECT_EQ(a.kv_heads, 1);
  EXPECT_EQ(a.dim, 8);
  EXPECT_FLOAT_EQ(a.scale, 0.35355339f);
  const graph::Rope& rope = node_of(model->graph, "blk.0.k_rope").rope;
  EXPECT_EQ(rope.heads, 1);
  EXPECT_EQ(rope.dim, 8);
  EXPECT_EQ(rope.base, 10000.0);
  EXPECT_FALSE(rope.halves);
  EXPECT_FLOAT_EQ(node_of(model->graph, "output_norm").epsilon, 1e-6f);
}

TEST(Llama, TheOutputIsTheEmbeddingUnlessThereIsOne) {
  File file;
  EXPECT_EQ(node_of(file.build()->graph, "logits").weights[0], "token_embd.weight");
  file.tensors.push_back({"output.weight", {11, 24}});
  EXPECT_EQ(node_of(file.build()->graph, "logits").weights[0], "output.weight");
  file.tensors.back().shape = {12, 24};
  file.expect_error({"output.weight", "12, 24", "11, 24"});
}

TEST(Llama, OptionalKeys) {
  File file;
  file.metadata.erase("llama.attention.head_count_kv");
  for (Source::Tensor& t : file.tensors) {
    if (t.name.find("attn_k.") != std::string::npos || t.name.find("attn_v.") != std::string::npos)
      t.shape = {24, 24};
  }
  file.metadata["llama.rope.freq_base"] = 500000.0;
  file.metadata["llama.rope.dimension_count"] = 8;
  file.metadata.erase("general.name");
  const auto model = file.build();
  ASSERT_TRUE(model.ok()) << model.message();
  EXPECT_EQ(node_of(model->graph, "blk.0.attn").attention.kv_heads, 3);
  EXPECT_EQ(node_of(model->graph, "blk.0.q_rope").rope.base, 500000.0);
  EXPECT_EQ(model->name, "llama");
}

TEST(Llama, ErrorsNameTheKey) {
  for (const char* key :
       {"llama.embedding_length", "llama.feed_forward_length", "llama.block_count", "llama.attention.head_count",
        "llama.context_length", "llama.attention.layer_norm_rms_epsilon"}) {
    File file;
    file.metadata.erase(key);
    file.expect_error({key});
    file.metadata[key] = "24";
    file.expect_error({key, "string"});
    file.metadata[key] = -1;
    file.expect_error({key, "-1"});
    file.metadata[key] = UINT64_MAX;
    file.expect_error({key});
  }
  File file;
  file.metadata["llama.attention.head_count_kv"] = 2;
  file.expect_error({"head_count_kv", "2", "3"});
  file = File();
  for (const int turned : {3, 10}) {
    file.metadata["llama.rope.dimension_count"] = turned;
    file.expect_error({"rope.dimension_count", std::to_string(turned), "8"});
  }
  file = File();
  file.metadata["llama.attention.head_count"] = 25;
  file.expect_error({"attention.head_count", "25", "24"});
  file = File();
  file.metadata["llama.block_count"] = 4096;
  file.expect_error({"block_count", "4096", "20 tensors"});
}

TEST(Llama, ScaledRotaryPositions) {
  File file;
  file.metadata["llama.rope.scaling.factor"] = 4.0;
  EXPECT_EQ(node_of(file.build()->graph, "blk.0.q_rope").rope.scale, 0.25);
  file.metadata["llama.rope.scaling.type"] = "none";
  EXPECT_EQ(node_of(file.build()->graph, "blk.0.q_rope").rope.scale, 1.0);
  file = File();
  file.tensors.push_back({"rope_freqs.weight", {4}});
  EXPECT_EQ(node_of(file.build()->graph, "blk.1.k_rope").weights, std::vector<std::string>{"rope_freqs.weight"});
  file.tensors.back().shape = {3};
  file.expect_error({"rope_freqs.weight", "3", "4"});
  const std::pair<const char*, nlohmann::json> kRefused[] = {
      {"llama.rope.scaling.type", "yarn"}, {"llama.rope.scaling.type", 1}, {"llama.rope.scaling.factor", "1"}};
  for (const auto& [key, value] : kRefused) {
    file = File();
    file.metadata[key] = value;
    file.expect_error({key});
  }
  file.metadata["llama.rope.scaling.type"] = std::string(100000, 'x');
  EXPECT_LT(file.build().message().size(), 300u);
}

TEST(Llama, BiasesWindowsAndHeadsInPart) {
  File file;
  file.tensors.push_back({"blk.1.attn_v.bias", {8}});
  file.metadata["llama.attention.sliding_window"] = 30;
  file.metadata["llama.rope.dimension_count"] = 4;
  const auto model = file.build();
  ASSERT_TRUE(model.ok()) << model.message();
  const graph::Graph& graph = model->graph;
  EXPECT_EQ(node_of(graph, "blk.1.attn_v.bias").weights[0], "blk.1.attn_v.bias");
  EXPECT_EQ(node_of(graph, "blk.1.attn").inputs[2], node_of(graph, "blk.1.attn_v.bias").output);
  EXPECT_EQ(node_of(graph, "blk.1.attn").attention.window, 30);
  EXPECT_EQ(node_of(graph, "blk.1.k_rope").rope.turned_values(), 4);
}

TEST(Llama, TensorsThatItDoesNotUseAreRefused) {
  for (const char* name : {"blk.0.attn_q_norm.weight", "blk.2.attn_norm.weight", "x\ny"}) {
    File file;
    file.tensors.insert(file.tensors.begin() + 5, {name, {24}});
    file.expect_error({"tensor ", "is not used by architecture llama"});
    EXPECT_EQ(file.build().message().find('\n'), std::string::npos);
    if (name[0] != 'x') file.expect_error({name});
  }
}

TEST(Llama, ErrorsNameTheTensor) {
  const File whole;
  for (size_t i = 0; i < whole.tensors.size(); ++i) {
    File file;
    file.tensors.erase(file.tensors.begin() + static_cast<std::ptrdiff_t>(i));
    file.expect_error({whole.tensors[i].name, "missing"});
    file = whole;
    file.tensors[i].shape[file.tensors[i].shape.size() - 1] += 1;
    file.expect_error({whole.tensors[i].name});
  }
}

// Otherwise the model predicts ids that the tokenizer does not have, or is given ids that it has no row for.
TEST(Models, UnknownArchitectures) {
  File file;
  file.metadata["general.architecture"] = "mamba";
  file.expect_error({"mamba", "llama"});
  file.metadata["general.architecture"] = "a\x1b[2J\n" + std::string(100000, 'b');
  file.expect_error({"architecture \"a\\x1b[2J\\x0ab", "..."});
  EXPECT_LT(file.build().message().size(), 300u);
  file.metadata["general.architecture"] = 3;
  file.expect_error({"general.architecture is number, expected a string"});
  file.metadata.erase("general.architecture");
  file.expect_error({"general.architecture"});
  EXPECT_EQ(architectures().front(), "llama");
}

}  // namespace
}  // namespace lowbit::models

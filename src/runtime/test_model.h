// For tests of this room and those above it: a model file whose next-token logits are a table. A llama in form, but
// attention and feed-forward are zero, the embedding is one-hot and the output matrix holds the table, so that the
// logits after token t are row t of it, exactly.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "io/safetensors.h"
#include "models/model.h"
#include "text/test_vocabulary.h"

namespace lowbit::runtime::test {

inline constexpr const char* kChatml =
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}{% "
    "endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

struct TableModel {
  std::vector<std::string> tokens;         // bytes; names of control tokens: those that begin with "<|"
  std::vector<std::vector<float>> logits;  // [token][next]; multiples of small powers of two
  bool adds_bos = false;
  int32_t bos = -1, eos = -1;
  std::string chat_template = {};
  int64_t context = 64;
  int64_t named = -1;  // only the first so many tokens have a name, the others are padding; -1: all
};

constexpr int64_t kTableWidth = 16;  // 1 / sqrt(mean square of a one-hot row) is 4, exactly

// Logits of 8 for one token after each, 0 for the others: next[t] follows t.
inline std::vector<std::vector<float>> chain(const std::vector<int>& next) {
  std::vector<std::vector<float>> logits(next.size(), std::vector<float>(next.size(), 0.0f));
  for (size_t t = 0; t < next.size(); ++t) logits[t][static_cast<size_t>(next[t])] = 8.0f;
  return logits;
}

inline nlohmann::json table_metadata(const TableModel& model) {
  nlohmann::json tokens = nlohmann::json::array(), types = tokens;
  for (const std::string& token : model.tokens) {
    if (static_cast<int64_t>(tokens.size()) == model.named) break;
    const bool control = token.starts_with("<|");
    tokens.push_back(control ? token : text::written(token));
    types.push_back(control ? 3 : 1);
  }
  nlohmann::json metadata = {{"general.architecture", "llama"},
                             {"llama.embedding_length", kTableWidth},
                             {"llama.feed_forward_length", 1},
                             {"llama.block_count", 1},
                             {"llama.attention.head_count", 1},
                             {"llama.attention.key_length", 2},
                             {"llama.context_length", model.context},
                             {"llama.attention.layer_norm_rms_epsilon", 0.0},
                             {"tokenizer.ggml.model", "gpt2"},
                             {"tokenizer.ggml.pre", "gpt-2"},
                             {"tokenizer.ggml.tokens", tokens},
                             {"tokenizer.ggml.token_type", types},
                             {"tokenizer.ggml.merges", nlohmann::json::array()},
                             {"tokenizer.ggml.add_bos_token", model.adds_bos}};
  if (!model.chat_template.empty()) metadata["tokenizer.chat_template"] = model.chat_template;
  if (model.bos >= 0) metadata["tokenizer.ggml.bos_token_id"] = model.bos;
  if (model.eos >= 0) metadata["tokenizer.ggml.eos_token_id"] = model.eos;
  return metadata;
}

inline std::vector<float> table_values(const TableModel& model, const std::string& name, int64_t count) {
  std::vector<float> values(static_cast<size_t>(count), name.find("norm") != std::string::npos ? 1.0f : 0.0f);
  const size_t rows = values.size() / kTableWidth;
  for (size_t t = 0; t < std::min(rows, model.tokens.size()); ++t) {
    if (name == "token_embd.weight") values[t * kTableWidth + t] = 1.0f;
    for (size_t next = 0; name == "output.weight" && next < rows; ++next) {
      values[next * kTableWidth + t] = model.logits[t][next] / 4.0f;
    }
  }
  return values;
}

// rows: of the embedding and the output matrix; -1: as many as tokens.
inline void write_table_model(const std::string& path, const TableModel& model, int64_t rows = -1) {
  const auto vocabulary = rows < 0 ? static_cast<int64_t>(model.tokens.size()) : rows;
  LOWBIT_CHECK(vocabulary <= kTableWidth && model.logits.size() == model.tokens.size());
  const std::vector<std::pair<std::string, std::vector<int64_t>>> tensors = {
      {"token_embd.weight", {vocabulary, kTableWidth}},
      {"blk.0.attn_norm.weight", {kTableWidth}},
      {"blk.0.attn_q.weight", {2, kTableWidth}},
      {"blk.0.attn_k.weight", {2, kTableWidth}},
      {"blk.0.attn_v.weight", {2, kTableWidth}},
      {"blk.0.attn_output.weight", {kTableWidth, 2}},
      {"blk.0.ffn_norm.weight", {kTableWidth}},
      {"blk.0.ffn_gate.weight", {1, kTableWidth}},
      {"blk.0.ffn_up.weight", {1, kTableWidth}},
      {"blk.0.ffn_down.weight", {kTableWidth, 1}},
      {"output_norm.weight", {kTableWidth}},
      {"output.weight", {vocabulary, kTableWidth}}};
  const formats::Format f32 = formats::parse_format("f32").value();
  std::vector<io::StoredTensor> stored;
  for (const auto& [name, shape] : tensors)
    stored.push_back({name, shape, {{f32, shape.size() == 2 ? shape[0] : 1}}, false});
  auto writer = io::SafetensorsWriter::create(path, table_metadata(model), nullptr, stored);
  ASSERT_TRUE(writer.ok()) << writer.message();
  for (const auto& [name, shape] : tensors) {
    tensor::Weight weight;
    weight.shape = shape;
    const std::vector<float> values = table_values(model, name, weight.rows() * weight.cols());
    weight.parts.push_back(tensor::pack_plain(f32, weight.rows(), weight.cols(), values).value());
    const Status status = writer->write(name, weight);
    ASSERT_TRUE(status.ok()) << status.error().message;
  }
  const Status status = writer->commit();
  ASSERT_TRUE(status.ok()) << status.error().message;
}

}  // namespace lowbit::runtime::test

// Shared parts of architectures: typed access to metadata, and blocks of nodes.
#pragma once

#include <string>

#include "graph/graph.h"
#include "models/model.h"

namespace lowbit::models {

// Reads keys of the metadata; errors name file and key.
class Config {
 public:
  Config(const Source& source, std::string prefix) : source_(source), prefix_(std::move(prefix)) {}

  // prefix.key as an integer in [least, most]; without a fallback a missing key is an error.
  Result<int64_t> integer(const std::string& key, int64_t least, int64_t most) const;
  Result<int64_t> integer(const std::string& key, int64_t least, int64_t most, int64_t fallback) const;
  Result<double> number(const std::string& key, double least, double most) const;
  Result<double> number(const std::string& key, double least, double most, double fallback) const;
  Result<std::string> text(const std::string& key, const std::string& fallback) const;
  Result<bool> boolean(const std::string& key, bool fallback) const;
  bool has(const std::string& key) const;
  const Source& source() const { return source_; }
  std::string full(const std::string& key) const { return prefix_ + "." + key; }

 private:
  const nlohmann::json* at(const std::string& key) const;
  const Source& source_;
  std::string prefix_;
};

// Appends nodes to a graph and declares the parameters they use.
class Builder {
 public:
  explicit Builder(graph::Graph& graph) : graph_(graph) {}

  graph::ValueId embed(const std::string& weight, int64_t vocabulary, int64_t width);
  graph::ValueId embed_positions(const std::string& name, const std::string& weight, int64_t positions,
                                 int64_t width);
  // Row `row` of a matrix [rows, width] is added.
  graph::ValueId row_bias(const std::string& name, graph::ValueId x, const std::string& weight, int64_t row,
                          int64_t rows, int64_t width);
  graph::ValueId bias(const std::string& name, graph::ValueId x, const std::string& weight, int64_t width);
  // width: values that are normed together; all of x, or of each head.
  graph::ValueId rms_norm(const std::string& name, graph::ValueId x, const std::string& weight, int64_t width,
                          float epsilon);
  graph::ValueId layer_norm(const std::string& name, graph::ValueId x, const std::string& weight, int64_t width,
                            float epsilon);
  graph::ValueId linear(const std::string& name, graph::ValueId x, const std::string& weight, int64_t rows,
                        int64_t cols);
  graph::ValueId top_k(const std::string& name, graph::ValueId x, const graph::TopK& top_k);
  graph::ValueId expert_linear(const std::string& name, graph::ValueId x, graph::ValueId chosen,
                               const std::string& weight, const std::vector<int64_t>& shape);
  graph::ValueId combine(const std::string& name, graph::ValueId parts, graph::ValueId chosen);
  graph::ValueId add(const std::string& name, graph::ValueId a, graph::ValueId b);
  graph::ValueId multiply(const std::string& name, graph::ValueId a, graph::ValueId b);
  graph::ValueId silu_gate(const std::string& name, graph::ValueId a, graph::ValueId b);
  graph::ValueId gelu_tanh(const std::string& name, graph::ValueId x);
  graph::ValueId gelu_erf(const std::string& name, graph::ValueId x);
  graph::ValueId scale(const std::string& name, graph::ValueId x, float factor);
  graph::ValueId softcap(const std::string& name, graph::ValueId x, float cap);
  graph::ValueId slice(const std::string& name, graph::ValueId x, int64_t begin, int64_t columns);
  // factors: parameter of frequency factors; empty: none.
  graph::ValueId rope(const std::string& name, graph::ValueId x, const graph::Rope& rope,
                      const std::string& factors = "");
  graph::ValueId attention(const std::string& name, graph::ValueId q, graph::ValueId k, graph::ValueId v,
                           const graph::Attention& attention);

 private:
  graph::ValueId append(graph::Op op, const std::string& name, std::vector<graph::ValueId> inputs,
                        std::vector<std::string> weights = {});
  graph::Node& last() { return graph_.nodes.back(); }

  graph::Graph& graph_;
};

// Every parameter of the graph is in the file with the right shape, and every tensor of the file is one.
Status check_parameters(const Source& source, const Model& model);

// A value of the metadata for a sentence: a string in quotation marks and cut, a number, else what type it is.
std::string describe(const nlohmann::json& value);

}  // namespace lowbit::models

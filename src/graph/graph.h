// The graph of a model: values [tokens, width] and the operations between them. It knows no architecture and no file.
//
// Everything is per token (row-wise) but attention, which looks back along a sequence. Parameters are named; a weight
// used twice (a tied embedding) is one name. A value carries its format, and a cast is a node (insert_casts).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/named_list.h"
#include "base/result.h"
#include "formats/format.h"

namespace lowbit::graph {

using ValueId = int32_t;

// Operations: rows of ops.inc, which also gives their names and numbers of inputs.
enum class Op : uint8_t {
#define LOWBIT_OP(name, inputs, weights) name,
#include "graph/ops.inc"
#undef LOWBIT_OP
};
std::string_view op_name(Op op);

struct Rope {
  int32_t heads = 0, dim = 0;
  double base = 10000.0;
  double scale = 1.0;      // positions are multiplied by this (linear scaling)
  bool halves = false;     // pairs (i, i + turned/2); else (2i, 2i + 1)
  int32_t turned = 0;      // values of each head that are turned, the first ones; 0: all
  double amplitude = 1.0;  // cosines and sines are multiplied by this (longrope)

  int32_t turned_values() const { return turned > 0 ? turned : dim; }
};

struct Attention {
  int32_t layer = 0;  // slot of the cache
  int32_t heads = 0, kv_heads = 0, dim = 0;
  float scale = 1.0f;
  formats::Format kv;    // format in which keys and values are kept
  int32_t window = 0;    // a query sees only keys less than this many positions away; 0: all
  float softcap = 0.0f;  // scaled scores become softcap * tanh(score / softcap); 0: as they are
  bool causal = true;    // false: keys on both sides; the whole sequence is then given in one pass
  bool integer = false;  // queries and weights become int8, products are exact integer sums (takes_integers(kv, dim))

  // Positions [first_key, end_key) that a query sees in a sequence of `length`: the others weigh exactly 0.
  int64_t first_key(int64_t position) const { return window > 0 && position >= window ? position - window + 1 : 0; }
  int64_t end_key(int64_t position, int64_t length) const {
    if (causal) return position + 1;
    return window > 0 && position + window < length ? position + window : length;
  }
};

// The k greatest of the router's logits, the lower id first where two are equal. Their weights are a softmax over all
// logits, or over the chosen ones (softmax_all false), or over all and then divided by their sum.
struct TopK {
  int32_t k = 0;
  bool softmax_all = true;
  bool renormalise = false;
};

struct Node {
  Op op = Op::add;
  std::string name;  // unique; the output value has the same name
  std::vector<ValueId> inputs;
  ValueId output = -1;
  std::vector<std::string> weights;  // names of parameters
  float epsilon = 0.0f;              // norms
  int64_t dim = 0;                   // rms_norm: values that are normed together, 0: the whole row; hadamard: 2^m
  int64_t row = 0;                   // row_bias
  int64_t begin = 0, columns = 0;    // slice
  float constant = 0.0f;             // scale, softcap
  Rope rope;
  Attention attention;
  TopK top_k;
};

struct Value {
  std::string name;
  int64_t width = 0;       // 0 until infer_shapes
  formats::Format format;  // f32 unless a cast made it
  int32_t producer = -1;   // node; -1: the tokens, value 0
  int64_t slots = 1;       // rows of width / slots that a token has: one for each chosen expert

  int64_t columns() const { return width / slots; }
};

// A parameter that the graph needs: norm weights are [n], matrices [rows, cols], experts [experts, rows, cols].
struct Parameter {
  std::string name;
  std::vector<int64_t> shape;

  bool is_matrix() const { return shape.size() >= 2; }
  // As one matrix: the last dimension is the reduction.
  int64_t cols() const { return shape.back(); }
  int64_t rows() const {
    int64_t product = 1;
    for (size_t i = 0; i + 1 < shape.size(); ++i) product *= shape[i];
    return product;
  }
};

struct Graph {
  std::vector<Value> values;  // value 0 is the token ids
  std::vector<Node> nodes;    // in an order in which they can run
  NamedList<Parameter> parameters;
  ValueId logits = -1;  // what a pass gives; of an encoder, the hidden states

  Graph();
  // Appends a node; returns its output value.
  ValueId add(Node node);
  void need(std::string name, std::vector<int64_t> shape);
  const Parameter* parameter(std::string_view name) const;
};

// Sets the width of every value; an error names the node, what was found and what was expected.
Status infer_shapes(Graph& graph);

// ---- structural facts ----

// Nodes that read a value.
std::vector<int32_t> consumers(const Graph& graph, ValueId value);
// Whether the operation is a product with a matrix: linear or expert_linear.
bool is_product(Op op);
// The linear that gives the logits, through a scale, a softcap or a bias; null where there is none.
const Node* head_of(const Graph& graph);
// The nodes that use a parameter.
std::vector<int32_t> users_of(const Graph& graph, std::string_view parameter);
// The value that a linear reads before any cast: what calibration observes.
ValueId uncast_input(const Graph& graph, const Node& linear);
// Values that come after the last attention can be computed for some tokens only: the first such node.
int32_t first_free_node(const Graph& graph);

// ---- passes ----

// Which sides of a cache are kept turned: every head times an orthonormal Hadamard matrix, which spreads outliers
// over all values of a group before they are rounded (QuaRot, arXiv 2404.00456). Keys are turned after their rotary
// positions and queries with them, so that scores stay; what is made of turned values is turned back.
struct KvHadamard {
  bool keys = false, values = false;

  // What is usual for a format: keys where its elements have at most 8 bits (docs/decisions/turned-caches.md).
  static KvHadamard usual(const formats::Format& kv) { return {kv.element.bits <= 8, false}; }
  bool operator==(const KvHadamard&) const = default;
};

// How low precision runs: formats of activations in front of linears, and of the cache.
struct NumericPolicy {
  // Activations in front of a linear whose weight has small integers; others get `other`.
  formats::Format integer_activations;
  formats::Format other_activations;
  // In front of the linear that gives the logits, where its weight has small integers.
  formats::Format head_activations;
  formats::Format kv;
  bool integer_attention = false;  // where the cache takes_integers()
  KvHadamard kv_hadamard = {};

  // int8/32:f32 where the weight is integer, int14/32:f32 in front of the logits, else f32; cache f16.
  static NumericPolicy standard();
  // fp32 everywhere: the yardstick.
  static NumericPolicy reference();
  // standard() with a cache of int8/64:f16, attention in integers, and bf16 in place of f32: long contexts cost half,
  // and prompts where weights are bf16 and the processor multiplies such (docs/speed.md).
  static NumericPolicy fast();
};

// Whether attention can compute in integers over a cache of this format: whole numbers of at most 8 bits under one
// level of scales, one for a head of `dim` columns or one for each multiple of 16.
bool takes_integers(const formats::Format& kv, int64_t dim);

// Puts a cast in front of every product that needs one (one per value and format), sets the format of the caches and
// turns what they keep where the policy says so; values that stood in the graph keep their names and meaning. A head
// whose size is no power of two is turned in blocks of the largest one that divides it. weight_formats gives the
// formats of a parameter's parts.
Graph insert_casts(const Graph& graph, const NumericPolicy& policy,
                   const std::function<std::vector<formats::Format>(const std::string&)>& weight_formats);

}  // namespace lowbit::graph

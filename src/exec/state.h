// What the parts of this room share: the state of an executor and of a cache.
#pragma once

#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "exec/executor.h"
#include "exec/kv_store.h"
#include "exec/steps.h"
#include "kernels/matmul/matmul.h"

namespace lowbit::exec {

struct Cache::State {
  int64_t length = 0, capacity = 0;
  std::vector<KvStore> layers;
};

// The computed rows of one value.
struct Buffer {
  std::vector<float> values;  // [rows][width]
  std::vector<int8_t> codes;  // casts to integers: [rows][stride]
  std::vector<float> scales;  // [rows][groups]
  uint64_t stamp = 0;         // of the codes: kernels::Activations
};

// How the codes of a value cast to integers lie.
struct CodeShape {
  int64_t group, groups;  // columns of a scale; scales of a row
  int64_t stride, plane;  // bytes of a row; from the lower to the upper plane, or 0
  explicit CodeShape(const graph::Value& value);
};

// Angles of rotary positions, grown as positions are needed: [position][turned / 2] each.
struct RotaryTable {
  graph::Rope rope;
  std::string factors_name;  // parameter of frequency factors; empty: none
  std::vector<float> factors;
  std::vector<float> cosine, sine;
  void grow(int64_t positions);
};

// A node's first parameter, found by its name once.
struct FirstParameter {
  const tensor::Weight* weight = nullptr;
  const std::vector<int32_t>* inverse_order = nullptr;  // of a matrix
  const float* vector = nullptr;                        // of a vector
};

struct Executor::State {
  graph::Graph graph;  // nodes in the order of `steps`
  std::vector<Step> steps;
  Weights weights;
  std::shared_ptr<ThreadPool> pool;
  Isa isa = Isa::portable;
  int64_t vocabulary = 0;                                        // columns of the logits
  int64_t token_limit = std::numeric_limits<int64_t>::max();     // ids are below it
  int64_t position_limit = std::numeric_limits<int64_t>::max();  // positions are below it
  bool causal = true;                                            // else a sequence comes in one pass
  int32_t first_free = 0;
  std::vector<Buffer> buffers;                        // by slot
  std::vector<int32_t> slot;                          // value -> slot
  std::vector<int32_t> last_use;                      // value -> last node that reads it
  std::vector<bool> decoded;                          // value -> a cast to integers that a floating product reads too
  std::map<std::string, std::vector<float>> vectors;  // norm weights as fp32
  std::map<std::string, std::vector<int32_t>> inverse_orders;
  std::vector<FirstParameter> parameters;                 // of nodes that have one
  std::vector<RotaryTable> rotary;                        // distinct tables
  std::vector<int32_t> rotary_of;                         // node -> table
  std::vector<std::optional<kernels::Product>> products;  // node -> its weight, prepared

  // Of the running forward pass.
  std::span<const Segment> segments;
  std::vector<int32_t> tokens;     // all segments one after the other
  std::vector<int64_t> positions;  // of each token in its sequence
  std::vector<int64_t> kept;       // rows whose logits are wanted
  int64_t rows = 0;                // rows that values have at this point

  Buffer& buffer(graph::ValueId id) { return buffers[static_cast<size_t>(slot[static_cast<size_t>(id)])]; }
  float* rows_of(graph::ValueId id) { return buffer(id).values.data(); }
  size_t index(const graph::Node& node) const { return static_cast<size_t>(&node - graph.nodes.data()); }
  const kernels::Product& product(const graph::Node& node) const { return *products[index(node)]; }
  const FirstParameter& parameter(const graph::Node& node) const { return parameters[index(node)]; }
  std::span<const graph::Node> nodes(const Step& step) const {
    return std::span(graph.nodes)
        .subspan(static_cast<size_t>(step.first), static_cast<size_t>(step.end - step.first));
  }
  // What a buffer holds: casts to integers have codes, and values beside them where some product wants these.
  bool has_codes(graph::ValueId id) const { return kernels::is_integer_activation(value(id).format); }
  bool has_values(graph::ValueId id) const { return !has_codes(id) || decoded[static_cast<size_t>(id)]; }
  const graph::Value& value(graph::ValueId id) const { return graph.values[static_cast<size_t>(id)]; }
};

// The rows of a value, several of a token where it has slots, as a product reads them.
kernels::Activations activations_of(Executor::State& s, graph::ValueId id);

// The products of linears, or of experts, that read the same value.
void run_linears(Executor::State& s, std::span<const graph::Node> nodes);
void run_experts(Executor::State& s, std::span<const graph::Node> nodes);

struct Rows {
  int64_t first, count;
};

// One function per operation (the rows of graph/ops.inc), in ops.cc, experts.cc and attention.cc. Those that go row
// by row compute some rows on the thread that calls; the others are given all rows and divide them themselves.
struct Ops {
#define LOWBIT_OP(name, inputs, weights) static void name(Executor::State& s, const graph::Node& node, Rows r);
#include "graph/ops.inc"
#undef LOWBIT_OP
};

}  // namespace lowbit::exec

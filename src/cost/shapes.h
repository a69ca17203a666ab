// Models of known sizes without a file: their graphs, and random weights in any format.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/progress.h"
#include "base/result.h"
#include "base/threads.h"
#include "formats/format.h"
#include "models/model.h"
#include "tensor/weight.h"

namespace lowbit::cost {

enum class Extra : uint8_t { none, biases, head_norms, row_norms, gemma3 };

// A row of shapes.inc.
struct Shape {
  std::string_view name, architecture;
  int64_t layers, width, heads, kv_heads, head_dim, hidden, vocabulary, context;
  bool tied;
  Extra extra;
  int64_t experts, chosen;
};
std::span<const Shape> shapes();

// An error names the shapes that there are, the nearest first.
Result<const Shape*> find_shape(std::string_view name);

Result<models::Model> build_shape(const Shape& shape);

// Weights for every parameter of a graph: matrices in `format` (the embedding and the matrix of the logits in
// `head`), vectors of ones (norms) or zeros (biases) in f32. Values are of the size that keeps activations near 1.
// The codes repeat every few rows: made quickly, and no slower or faster to read than others. An error where there is
// no memory.
Result<tensor::Weights> random_weights(const graph::Graph& graph, const formats::Format& format,
                                       const formats::Format& head, ThreadPool& pool,
                                       const ProgressFn& progress = {});

// One matrix of them, for the kernels alone.
Result<tensor::PackedMatrix> random_matrix(const formats::Format& format, int64_t rows, int64_t cols, uint64_t seed);

// Bytes that random_weights would take.
Result<uint64_t> weight_bytes(const graph::Graph& graph, const formats::Format& format, const formats::Format& head);

}  // namespace lowbit::cost

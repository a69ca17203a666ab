#include <cstring>

#include "arith/rotary.h"
#include "base/bits.h"
#include "exec/state.h"
#include "kernels/rows/rows.h"
#include "tensor/cast.h"
#include "tensor/gather.h"

namespace lowbit::exec {
namespace {

// The rows of a node's inputs and output, one of each with `width` values of the output.
struct Span {
  const float* x;        // first input
  const float* y;        // second input, or null
  float* out;            // output
  int64_t width, count;  // of a row; of all rows

  Span(Executor::State& s, const graph::Node& node, Rows r) {
    width = s.value(node.output).width;
    count = r.count * width;
    const auto input = [&](size_t i) { return s.rows_of(node.inputs[i]) + r.first * s.value(node.inputs[i]).width; };
    x = node.inputs[0] == 0 ? nullptr : input(0);
    y = node.inputs.size() > 1 ? input(1) : nullptr;
    out = s.rows_of(node.output) + r.first * width;
  }
};

}  // namespace

void Ops::embed(Executor::State& s, const graph::Node& node, Rows r) {
  const FirstParameter& p = s.parameter(node);
  float* out = s.rows_of(node.output);
  for (int64_t t = r.first; t < r.first + r.count; ++t) {
    tensor::dequantize_row(*p.weight, *p.inverse_order, s.tokens[static_cast<size_t>(t)], out + t * p.weight->cols());
  }
}

void Ops::embed_positions(Executor::State& s, const graph::Node& node, Rows r) {
  const FirstParameter& p = s.parameter(node);
  float* out = s.rows_of(node.output);
  for (int64_t t = r.first; t < r.first + r.count; ++t) {
    tensor::dequantize_row(*p.weight, *p.inverse_order, s.positions[static_cast<size_t>(t)],
                           out + t * p.weight->cols());
  }
}

void Ops::bias(Executor::State& s, const graph::Node& node, Rows r) {
  const Span v(s, node, r);
  kernels::bias(s.isa, {r.count, v.width, v.x, s.parameter(node).vector, v.out});
}

void Ops::row_bias(Executor::State& s, const graph::Node& node, Rows r) {
  static thread_local std::vector<float> row;
  const Span v(s, node, r);
  row.resize(static_cast<size_t>(v.width));
  const FirstParameter& p = s.parameter(node);
  tensor::dequantize_row(*p.weight, *p.inverse_order, node.row, row.data());
  kernels::bias(s.isa, {r.count, v.width, v.x, row.data(), v.out});
}

void Ops::rms_norm(Executor::State& s, const graph::Node& node, Rows r) {
  const Span v(s, node, r);
  const int64_t cols = node.dim > 0 ? node.dim : v.width;
  kernels::rms_norm(s.isa, {v.count / cols, cols, v.x, s.parameter(node).vector, node.epsilon, v.out});
}

void Ops::layer_norm(Executor::State& s, const graph::Node& node, Rows r) {
  const Span v(s, node, r);
  kernels::layer_norm(s.isa, {r.count, v.width, v.x, s.parameter(node).vector, node.epsilon, v.out});
}

void Ops::cast(Executor::State& s, const graph::Node& node, Rows r) {
  const graph::Value& value = s.value(node.output);
  const int64_t cols = value.columns(), first = r.first * value.slots, rows = r.count * value.slots;
  const float* x = s.rows_of(node.inputs[0]) + first * cols;
  float* values = s.has_values(node.output) ? s.rows_of(node.output) + first * cols : nullptr;
  if (!s.has_codes(node.output)) {
    for (int64_t i = 0; i < rows; ++i) tensor::cast_row(value.format, cols, x + i * cols, values + i * cols);
    return;
  }
  Buffer& out = s.buffer(node.output);
  const CodeShape shape(value);
  int8_t* codes = out.codes.data() + first * shape.stride;
  float* scales = out.scales.data() + first * shape.groups;
  const formats::ElementFormat& scale = value.format.levels[0].scale;
  const auto stored = [](const void* to, float v) {
    return tensor::stored_scale(*static_cast<const formats::ElementFormat*>(to), v);
  };
  kernels::quantize(s.isa, {rows, cols, shape.group, x, kernels::largest_code(value.format), &scale,
                            scale.bits == 32 ? nullptr : +stored, codes, shape.stride, scales, shape.plane,
                            kernels::is_binary_activation(value.format)});
  if (values == nullptr) return;
  for (int64_t i = 0; i < rows; ++i, codes += shape.stride, scales += shape.groups) {
    for (int64_t c = 0; c < cols; ++c) {
      const auto code = static_cast<float>(shape.plane == 0 ? codes[c] : 128 * codes[shape.plane + c] + codes[c]);
      values[i * cols + c] = code * scales[c / shape.group];
    }
  }
}

CodeShape::CodeShape(const graph::Value& value) {
  const int64_t cols = value.columns(), width = round_up(cols, tensor::kColumnStep);
  const int64_t given = value.format.levels[0].group;
  group = given > 0 ? std::min(given, cols) : cols;
  groups = ceil_div(cols, group);
  stride = width * kernels::code_planes(value.format);
  plane = stride > width ? width : 0;
}

kernels::Activations activations_of(Executor::State& s, graph::ValueId id) {
  const graph::Value& input = s.value(id);
  const Buffer& in = s.buffer(id);
  kernels::Activations x;
  x.format = &input.format;
  x.tokens = s.rows * input.slots;
  x.cols = input.columns();
  if (!kernels::is_integer_activation(input.format)) {
    x.values = in.values.data();
    return x;
  }
  const CodeShape shape(input);
  x.codes = in.codes.data();
  x.code_stride = shape.stride;
  x.plane = shape.plane;
  x.scales = in.scales.data();
  x.group = shape.group;
  x.stamp = in.stamp;
  if (s.decoded[static_cast<size_t>(id)]) x.values = in.values.data();
  return x;
}

void Ops::linear(Executor::State& s, const graph::Node& node, Rows) { run_linears(s, {&node, 1}); }

void run_linears(Executor::State& s, std::span<const graph::Node> nodes) {
  static thread_local std::vector<kernels::ProductRun> runs;
  runs.clear();
  const kernels::Activations x = activations_of(s, nodes[0].inputs[0]);
  for (const graph::Node& node : nodes) {
    const int64_t rows = s.value(node.output).width;
    runs.push_back({&s.product(node), 0, rows, &x, s.rows_of(node.output), rows});
  }
  kernels::run_products(runs, *s.pool);
}

void Ops::rope(Executor::State& s, const graph::Node& node, Rows r) {
  const graph::Rope& rope = node.rope;
  const int64_t half = rope.turned_values() / 2;
  const RotaryTable& table = s.rotary[static_cast<size_t>(s.rotary_of[s.index(node)])];
  const Span v(s, node, r);
  for (int64_t i = 0; i < r.count; ++i) {
    const int64_t at = s.positions[static_cast<size_t>(r.first + i)] * half;
    kernels::rope(s.isa, {rope.heads, rope.dim, rope.turned_values(), rope.halves, v.x + i * v.width,
                          table.cosine.data() + at, table.sine.data() + at, v.out + i * v.width});
  }
}

void Ops::hadamard(Executor::State& s, const graph::Node& node, Rows r) {
  const Span v(s, node, r);
  kernels::hadamard(s.isa, {v.count, node.dim, v.x, v.out});
}

void Ops::silu_gate(Executor::State& s, const graph::Node& node, Rows r) {
  const Span v(s, node, r);
  kernels::silu_gate(s.isa, {v.count, v.x, v.y, v.out});
}

void Ops::multiply(Executor::State& s, const graph::Node& node, Rows r) {
  const Span v(s, node, r);
  kernels::multiply(s.isa, {v.count, v.x, v.y, v.out});
}

void Ops::add(Executor::State& s, const graph::Node& node, Rows r) {
  const Span v(s, node, r);
  kernels::add(s.isa, {v.count, v.x, v.y, v.out});
}

void Ops::gelu_tanh(Executor::State& s, const graph::Node& node, Rows r) {
  const Span v(s, node, r);
  kernels::gelu_tanh(s.isa, {v.count, v.x, v.out});
}

void Ops::gelu_erf(Executor::State& s, const graph::Node& node, Rows r) {
  const Span v(s, node, r);
  kernels::gelu_erf(s.isa, {v.count, v.x, v.out});
}

void Ops::scale(Executor::State& s, const graph::Node& node, Rows r) {
  const Span v(s, node, r);
  kernels::scale(s.isa, {v.count, v.x, node.constant, v.out});
}

void Ops::softcap(Executor::State& s, const graph::Node& node, Rows r) {
  const Span v(s, node, r);
  kernels::softcap(s.isa, {v.count, v.x, node.constant, v.out});
}

void Ops::slice(Executor::State& s, const graph::Node& node, Rows r) {
  const Span v(s, node, r);
  const int64_t from = s.value(node.inputs[0]).width;
  for (int64_t i = 0; i < r.count; ++i) {
    std::memcpy(v.out + i * v.width, v.x + i * from + node.begin, static_cast<size_t>(v.width) * sizeof(float));
  }
}

void RotaryTable::grow(int64_t positions) {
  const int64_t half = rope.turned_values() / 2;
  const auto have = static_cast<int64_t>(cosine.size()) / half;
  if (positions <= have) return;
  positions = std::max(positions, 2 * have);
  cosine.resize(static_cast<size_t>(positions * half));
  sine.resize(static_cast<size_t>(positions * half));
  const arith::Rotary rotary{rope.base, rope.scale, rope.turned_values(), rope.amplitude,
                             factors.empty() ? nullptr : factors.data()};
  for (int64_t p = have; p < positions; ++p) {
    arith::rotary_angles(rotary, p, cosine.data() + p * half, sine.data() + p * half);
  }
}

}  // namespace lowbit::exec

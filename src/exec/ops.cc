#include <cstring>

#include "arith/rotary.h"
#include "base/bits.h"
#include "exec/state.h"
#include "kernels/rows/rows.h"
#include "tensor/cast.h"
#include "tensor/gather.h"

namespace lowbit::exec {
namespace {

constexpr int64_t kRowGrain = 16;

// Runs body(first row, rows) over the rows of the pass.
template <class Body>
void over_rows(Executor::State& s, const Body& body) {
  s.pool->parallel_for(s.rows, kRowGrain, [&](int64_t begin, int64_t end, int) { body(begin, end - begin); });
}

// Runs body(first value, values) over all values of a node's output.
template <class Body>
void over_values(Executor::State& s, const graph::Node& node, const Body& body) {
  const int64_t width = s.value(node.output).width;
  over_rows(s, [&](int64_t first, int64_t count) { body(first * width, count * width); });
}

}  // namespace

void Ops::embed(Executor::State& s, const graph::Node& node) {
  const tensor::Weight& weight = *s.weights.at(node.weights[0]);
  const std::vector<int32_t>& inverse = s.inverse_orders.at(node.weights[0]);
  float* out = s.buffer(node.output).values.data();
  over_rows(s, [&](int64_t first, int64_t count) {
    for (int64_t t = first; t < first + count; ++t) {
      tensor::dequantize_row(weight, inverse, s.tokens[static_cast<size_t>(t)], out + t * weight.cols());
    }
  });
}

void Ops::embed_positions(Executor::State& s, const graph::Node& node) {
  const tensor::Weight& weight = *s.weights.at(node.weights[0]);
  const std::vector<int32_t>& inverse = s.inverse_orders.at(node.weights[0]);
  float* out = s.rows_of(node.output);
  over_rows(s, [&](int64_t first, int64_t count) {
    for (int64_t t = first; t < first + count; ++t) {
      tensor::dequantize_row(weight, inverse, s.positions[static_cast<size_t>(t)], out + t * weight.cols());
    }
  });
}

namespace {

void add_vector(Executor::State& s, const graph::Node& node, const float* added) {
  const int64_t cols = s.value(node.output).width;
  const float* x = s.rows_of(node.inputs[0]);
  float* y = s.rows_of(node.output);
  over_rows(s, [&](int64_t first, int64_t count) {
    kernels::bias(s.isa, {count, cols, x + first * cols, added, y + first * cols});
  });
}

}  // namespace

void Ops::bias(Executor::State& s, const graph::Node& node) {
  add_vector(s, node, s.vectors.at(node.weights[0]).data());
}

void Ops::row_bias(Executor::State& s, const graph::Node& node) {
  std::vector<float> row(static_cast<size_t>(s.value(node.output).width));
  tensor::dequantize_row(*s.weights.at(node.weights[0]), s.inverse_orders.at(node.weights[0]), node.row, row.data());
  add_vector(s, node, row.data());
}

void Ops::rms_norm(Executor::State& s, const graph::Node& node) {
  const int64_t cols = node.dim > 0 ? node.dim : s.value(node.output).width;
  const float* x = s.rows_of(node.inputs[0]);
  float* y = s.rows_of(node.output);
  const float* weight = s.vectors.at(node.weights[0]).data();
  over_values(s, node, [&](int64_t at, int64_t count) {
    kernels::rms_norm(s.isa, {count / cols, cols, x + at, weight, node.epsilon, y + at});
  });
}

void Ops::layer_norm(Executor::State& s, const graph::Node& node) {
  const int64_t cols = s.value(node.output).width;
  const float* x = s.rows_of(node.inputs[0]);
  float* y = s.rows_of(node.output);
  const float* weight = s.vectors.at(node.weights[0]).data();
  over_rows(s, [&](int64_t first, int64_t count) {
    kernels::layer_norm(s.isa, {count, cols, x + first * cols, weight, node.epsilon, y + first * cols});
  });
}

namespace {

void cast_floats(Executor::State& s, const graph::Node& node) {
  const graph::Value& value = s.value(node.output);
  const int64_t cols = value.columns();
  const float* x = s.rows_of(node.inputs[0]);
  float* y = s.rows_of(node.output);
  over_values(s, node, [&](int64_t at, int64_t count) {
    for (int64_t i = at; i < at + count; i += cols) tensor::cast_row(value.format, cols, x + i, y + i);
  });
}

}  // namespace

void Ops::cast(Executor::State& s, const graph::Node& node) {
  const graph::Value& value = s.value(node.output);
  if (!kernels::is_integer_activation(value.format)) return cast_floats(s, node);
  const float* x = s.rows_of(node.inputs[0]);
  Buffer& out = s.buffer(node.output);
  const formats::ScaleLevel& level = value.format.levels[0];
  const int64_t cols = value.columns(), rows = s.rows * value.slots;
  const int64_t group = level.group > 0 ? std::min(level.group, cols) : cols;
  const int64_t groups = ceil_div(cols, group), width = round_up(cols, tensor::kColumnStep);
  const int64_t stride = width * kernels::code_planes(value.format), plane = stride > width ? width : 0;
  out.codes.resize(static_cast<size_t>(rows * stride));
  out.scales.resize(static_cast<size_t>(rows * groups));
  out.stamp = kernels::new_stamp();
  s.pool->parallel_for(rows, kRowGrain, [&](int64_t first, int64_t end, int) {
    kernels::quantize(s.isa,
                      {end - first, cols, group, x + first * cols, kernels::largest_code(value.format), &level.scale,
                       [](const void* scale, float v) {
                         return tensor::stored_scale(*static_cast<const formats::ElementFormat*>(scale), v);
                       },
                       out.codes.data() + first * stride, stride, out.scales.data() + first * groups, plane,
                       kernels::is_binary_activation(value.format)});
    if (!s.decoded[static_cast<size_t>(node.output)]) return;
    for (int64_t r = first; r < end; ++r) {
      for (int64_t c = 0; c < cols; ++c) {
        const int8_t* at = out.codes.data() + r * stride + c;
        const auto code = static_cast<float>(plane == 0 ? *at : 128 * at[plane] + *at);
        out.values[static_cast<size_t>(r * cols + c)] =
            code * out.scales[static_cast<size_t>(r * groups + c / group)];
      }
    }
  });
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
  const int64_t group = input.format.levels[0].group, width = round_up(x.cols, tensor::kColumnStep);
  x.codes = in.codes.data();
  x.code_stride = width * kernels::code_planes(input.format);
  x.plane = x.code_stride > width ? width : 0;
  x.scales = in.scales.data();
  x.group = group > 0 ? std::min(group, x.cols) : x.cols;
  x.stamp = in.stamp;
  if (s.decoded[static_cast<size_t>(id)]) x.values = in.values.data();
  return x;
}

void Ops::linear(Executor::State& s, const graph::Node& node) {
  const kernels::Product& product = s.product(node);
  product.run(0, product.rows(), activations_of(s, node.inputs[0]), *s.pool, s.rows_of(node.output),
              s.value(node.output).width);
}

void Ops::rope(Executor::State& s, const graph::Node& node) {
  const graph::Rope& rope = node.rope;
  const int64_t width = s.value(node.output).width, half = rope.turned_values() / 2;
  const auto index = static_cast<size_t>(&node - s.graph.nodes.data());
  RotaryTable& table = s.rotary[static_cast<size_t>(s.rotary_of[index])];
  int64_t most = 0;
  for (const int64_t position : s.positions) most = std::max(most, position);
  table.grow(most + 1);
  const float* x = s.rows_of(node.inputs[0]);
  float* y = s.rows_of(node.output);
  over_rows(s, [&](int64_t first, int64_t count) {
    for (int64_t r = first; r < first + count; ++r) {
      const int64_t at = s.positions[static_cast<size_t>(r)] * half;
      kernels::rope(s.isa, {rope.heads, rope.dim, rope.turned_values(), rope.halves, x + r * width,
                            table.cosine.data() + at, table.sine.data() + at, y + r * width});
    }
  });
}

void Ops::hadamard(Executor::State& s, const graph::Node& node) {
  const float* x = s.rows_of(node.inputs[0]);
  float* y = s.rows_of(node.output);
  over_values(s, node,
              [&](int64_t at, int64_t count) { kernels::hadamard(s.isa, {count, node.dim, x + at, y + at}); });
}

void Ops::silu_gate(Executor::State& s, const graph::Node& node) {
  const float *a = s.rows_of(node.inputs[0]), *b = s.rows_of(node.inputs[1]);
  float* y = s.rows_of(node.output);
  over_values(s, node,
              [&](int64_t at, int64_t count) { kernels::silu_gate(s.isa, {count, a + at, b + at, y + at}); });
}

void Ops::multiply(Executor::State& s, const graph::Node& node) {
  const float *a = s.rows_of(node.inputs[0]), *b = s.rows_of(node.inputs[1]);
  float* y = s.rows_of(node.output);
  over_values(s, node, [&](int64_t at, int64_t count) { kernels::multiply(s.isa, {count, a + at, b + at, y + at}); });
}

void Ops::add(Executor::State& s, const graph::Node& node) {
  const float *a = s.rows_of(node.inputs[0]), *b = s.rows_of(node.inputs[1]);
  float* y = s.rows_of(node.output);
  over_values(s, node, [&](int64_t at, int64_t count) { kernels::add(s.isa, {count, a + at, b + at, y + at}); });
}

void Ops::gelu_tanh(Executor::State& s, const graph::Node& node) {
  const float* x = s.rows_of(node.inputs[0]);
  float* y = s.rows_of(node.output);
  over_values(s, node, [&](int64_t at, int64_t count) { kernels::gelu_tanh(s.isa, {count, x + at, y + at}); });
}

void Ops::gelu_erf(Executor::State& s, const graph::Node& node) {
  const float* x = s.rows_of(node.inputs[0]);
  float* y = s.rows_of(node.output);
  over_values(s, node, [&](int64_t at, int64_t count) { kernels::gelu_erf(s.isa, {count, x + at, y + at}); });
}

void Ops::scale(Executor::State& s, const graph::Node& node) {
  const float* x = s.rows_of(node.inputs[0]);
  float* y = s.rows_of(node.output);
  over_values(s, node,
              [&](int64_t at, int64_t count) { kernels::scale(s.isa, {count, x + at, node.constant, y + at}); });
}

void Ops::softcap(Executor::State& s, const graph::Node& node) {
  const float* x = s.rows_of(node.inputs[0]);
  float* y = s.rows_of(node.output);
  over_values(s, node,
              [&](int64_t at, int64_t count) { kernels::softcap(s.isa, {count, x + at, node.constant, y + at}); });
}

void Ops::slice(Executor::State& s, const graph::Node& node) {
  const int64_t from = s.value(node.inputs[0]).width, width = s.value(node.output).width;
  const float* x = s.rows_of(node.inputs[0]) + node.begin;
  float* y = s.rows_of(node.output);
  over_rows(s, [&](int64_t first, int64_t count) {
    for (int64_t r = first; r < first + count; ++r) {
      std::memcpy(y + r * width, x + r * from, static_cast<size_t>(width) * sizeof(float));
    }
  });
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

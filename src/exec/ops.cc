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

void Ops::rms_norm(Executor::State& s, const graph::Node& node) {
  const int64_t cols = s.value(node.output).width;
  const float* x = s.buffer(node.inputs[0]).values.data();
  float* y = s.buffer(node.output).values.data();
  const float* weight = s.vectors.at(node.weights[0]).data();
  over_rows(s, [&](int64_t first, int64_t count) {
    kernels::rms_norm(s.isa, {count, cols, x + first * cols, weight, node.epsilon, y + first * cols});
  });
}

void Ops::cast(Executor::State& s, const graph::Node& node) {
  const graph::Value& value = s.value(node.output);
  const float* x = s.buffer(node.inputs[0]).values.data();
  Buffer& out = s.buffer(node.output);
  if (!kernels::is_integer_activation(value.format)) {
    over_rows(s, [&](int64_t first, int64_t count) {
      for (int64_t r = first; r < first + count; ++r) {
        tensor::cast_row(value.format, value.width, x + r * value.width, out.values.data() + r * value.width);
      }
    });
    return;
  }
  const formats::ScaleLevel& level = value.format.levels[0];
  const int64_t group = level.group > 0 ? std::min(level.group, value.width) : value.width;
  const int64_t groups = ceil_div(value.width, group), width = round_up(value.width, tensor::kColumnStep);
  const int64_t stride = width * kernels::code_planes(value.format), plane = stride > width ? width : 0;
  out.codes.resize(static_cast<size_t>(s.rows * stride));
  out.scales.resize(static_cast<size_t>(s.rows * groups));
  over_rows(s, [&](int64_t first, int64_t count) {
    kernels::quantize(
        s.isa, {count, value.width, group, x + first * value.width, kernels::largest_code(value.format), &level.scale,
                [](const void* scale, float v) {
                  return tensor::stored_scale(*static_cast<const formats::ElementFormat*>(scale), v);
                },
                out.codes.data() + first * stride, stride, out.scales.data() + first * groups, plane});
    if (!s.decoded[static_cast<size_t>(node.output)]) return;
    for (int64_t r = first; r < first + count; ++r) {
      for (int64_t c = 0; c < value.width; ++c) {
        const int8_t* at = out.codes.data() + r * stride + c;
        const auto code = static_cast<float>(plane == 0 ? *at : 128 * at[plane] + *at);
        out.values[static_cast<size_t>(r * value.width + c)] =
            code * out.scales[static_cast<size_t>(r * groups + c / group)];
      }
    }
  });
}

void Ops::linear(Executor::State& s, const graph::Node& node) {
  const graph::Value& input = s.value(node.inputs[0]);
  const Buffer& in = s.buffer(node.inputs[0]);
  kernels::Activations x;
  x.format = input.format;
  x.tokens = s.rows;
  x.cols = input.width;
  if (kernels::is_integer_activation(input.format)) {
    const int64_t group = input.format.levels[0].group;
    x.codes = in.codes.data();
    const int64_t width = round_up(input.width, tensor::kColumnStep);
    x.code_stride = width * kernels::code_planes(input.format);
    x.plane = x.code_stride > width ? width : 0;
    x.scales = in.scales.data();
    x.group = group > 0 ? std::min(group, input.width) : input.width;
    if (s.decoded[static_cast<size_t>(node.inputs[0])]) x.values = in.values.data();
  } else {
    x.values = in.values.data();
  }
  const int64_t width = s.value(node.output).width;
  kernels::matmul(s.isa, *s.weights.at(node.weights[0]), x, *s.pool, s.buffer(node.output).values.data(), width);
}

void Ops::rope(Executor::State& s, const graph::Node& node) {
  const int64_t width = s.value(node.output).width, half = node.rope.dim / 2;
  const auto index = static_cast<size_t>(&node - s.graph.nodes.data());
  RotaryTable& table = s.rotary[static_cast<size_t>(s.rotary_of[index])];
  int64_t most = 0;
  for (const int64_t position : s.positions) most = std::max(most, position);
  table.grow(most + 1);
  const float* x = s.buffer(node.inputs[0]).values.data();
  float* y = s.buffer(node.output).values.data();
  over_rows(s, [&](int64_t first, int64_t count) {
    for (int64_t r = first; r < first + count; ++r) {
      const int64_t at = s.positions[static_cast<size_t>(r)] * half;
      kernels::rope(s.isa, {node.rope.heads, node.rope.dim, node.rope.halves, x + r * width, table.cosine.data() + at,
                            table.sine.data() + at, y + r * width});
    }
  });
}

void Ops::silu_gate(Executor::State& s, const graph::Node& node) {
  const int64_t width = s.value(node.output).width;
  const float* gate = s.buffer(node.inputs[0]).values.data();
  const float* up = s.buffer(node.inputs[1]).values.data();
  float* y = s.buffer(node.output).values.data();
  over_rows(s, [&](int64_t first, int64_t count) {
    const int64_t at = first * width;
    kernels::silu_gate(s.isa, {count * width, gate + at, up + at, y + at});
  });
}

void Ops::add(Executor::State& s, const graph::Node& node) {
  const int64_t width = s.value(node.output).width;
  const float* a = s.buffer(node.inputs[0]).values.data();
  const float* b = s.buffer(node.inputs[1]).values.data();
  float* y = s.buffer(node.output).values.data();
  over_rows(s, [&](int64_t first, int64_t count) {
    const int64_t at = first * width;
    kernels::add(s.isa, {count * width, a + at, b + at, y + at});
  });
}

void RotaryTable::grow(int64_t positions) {
  const int64_t half = dim / 2;
  const auto have = static_cast<int64_t>(cosine.size()) / half;
  if (positions <= have) return;
  positions = std::max(positions, 2 * have);
  cosine.resize(static_cast<size_t>(positions * half));
  sine.resize(static_cast<size_t>(positions * half));
  for (int64_t p = have; p < positions; ++p) {
    arith::rotary_angles(base, scale, dim, p, cosine.data() + p * half, sine.data() + p * half);
  }
}

}  // namespace lowbit::exec

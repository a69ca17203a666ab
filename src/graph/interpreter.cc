#include "graph/interpreter.h"

#include <algorithm>
#include <cmath>

#include "arith/functions.h"
#include "arith/rotary.h"
#include "kernels/matmul/matmul.h"
#include "tensor/cast.h"

namespace lowbit::graph {
namespace {

struct Run {
  const Graph& graph;
  const std::function<const tensor::Weight*(const std::string&)>& weight;
  std::span<const int32_t> tokens;
  std::vector<std::vector<float>> values;
  // Casts to integers keep their codes: [tokens][cols padded to 32] and [tokens][groups].
  std::vector<std::vector<int8_t>> codes;
  std::vector<std::vector<float>> scales;

  size_t count() const { return tokens.size(); }
  size_t width(ValueId id) const { return static_cast<size_t>(graph.values[static_cast<size_t>(id)].width); }
  const std::vector<float>& in(const Node& node, size_t i) const {
    return values[static_cast<size_t>(node.inputs[i])];
  }
  std::vector<float>& out(const Node& node) { return values[static_cast<size_t>(node.output)]; }
};

// Sum in 16 lanes by index mod 16, then the tree l + (l + 8), + 4, + 2, + 1.
float tree(float (&lane)[16]) {
  for (int width = 8; width > 0; width /= 2) {
    for (int i = 0; i < width; ++i) lane[i] += lane[i + width];
  }
  return lane[0];
}

void embed(Run& run, const Node& node) {
  const std::vector<float> table = tensor::dequantize(*run.weight(node.weights[0]));
  const size_t width = run.width(node.output);
  for (size_t t = 0; t < run.count(); ++t) {
    std::copy_n(&table[static_cast<size_t>(run.tokens[t]) * width], width, &run.out(node)[t * width]);
  }
}

void rms_norm(Run& run, const Node& node) {
  const std::vector<float> weight = tensor::dequantize(*run.weight(node.weights[0]));
  const size_t width = run.width(node.output);
  for (size_t t = 0; t < run.count(); ++t) {
    const float* x = &run.in(node, 0)[t * width];
    float lane[16] = {};
    for (size_t i = 0; i < width; ++i) lane[i % 16] = std::fma(x[i], x[i], lane[i % 16]);
    const float mean = tree(lane) / static_cast<float>(width);
    const float scale = 1.0f / std::sqrt(mean + node.epsilon);
    for (size_t i = 0; i < width; ++i) run.out(node)[t * width + i] = x[i] * scale * weight[i];
  }
}

void cast(Run& run, const Node& node) {
  const formats::Format& format = run.graph.values[static_cast<size_t>(node.output)].format;
  const size_t width = run.width(node.output);
  std::vector<float>& out = run.out(node);
  if (!kernels::is_integer_activation(format)) {
    for (size_t t = 0; t < run.count(); ++t) {
      tensor::cast_row(format, static_cast<int64_t>(width), &run.in(node, 0)[t * width], &out[t * width]);
    }
    return;
  }
  const formats::ElementFormat& stored = format.levels[0].scale;
  const size_t group =
      format.levels[0].group > 0 ? std::min(width, static_cast<size_t>(format.levels[0].group)) : width;
  const size_t groups = (width + group - 1) / group, plane = (width + 31) / 32 * 32;
  const size_t stride = plane * static_cast<size_t>(kernels::code_planes(format));
  const auto most = static_cast<float>(kernels::largest_code(format));
  auto& codes = run.codes[static_cast<size_t>(node.output)];
  auto& scales = run.scales[static_cast<size_t>(node.output)];
  codes.assign(run.count() * stride, 0);
  scales.assign(run.count() * groups, 0.0f);
  for (size_t t = 0; t < run.count(); ++t) {
    for (size_t g = 0; g < groups; ++g) {
      const size_t begin = g * group, end = std::min(begin + group, width);
      float amax = 0.0f;
      for (size_t i = begin; i < end; ++i) amax = std::max(amax, std::fabs(run.in(node, 0)[t * width + i]));
      const float scale = tensor::stored_scale(stored, amax < 0x1p-100f ? 0.0f : amax / most);
      scales[t * groups + g] = scale;
      const float inverse = scale > 0.0f ? 1.0f / scale : 0.0f;
      for (size_t i = begin; i < end; ++i) {
        float x = run.in(node, 0)[t * width + i] * inverse;
        x = x > -most ? x : -most;  // NaN too, as the kernels have it
        x = x < most ? x : most;
        const int code = static_cast<int>(std::nearbyint(x));
        const int high = stride > plane ? (code + 64) >> 7 : 0;
        if (stride > plane) codes[t * stride + plane + i] = static_cast<int8_t>(high);
        codes[t * stride + i] = static_cast<int8_t>(code - 128 * high);
        out[t * width + i] = static_cast<float>(code) * scale;  // a code of 0 has no sign
      }
    }
  }
}

void linear(Run& run, const Node& node) {
  const ValueId input = node.inputs[0];
  const formats::Format& format = run.graph.values[static_cast<size_t>(input)].format;
  kernels::Activations x;
  x.format = format;
  x.tokens = static_cast<int64_t>(run.count());
  x.cols = static_cast<int64_t>(run.width(input));
  x.values = run.in(node, 0).data();
  if (kernels::is_integer_activation(format)) {
    x.codes = run.codes[static_cast<size_t>(input)].data();
    const int64_t plane = (x.cols + 31) / 32 * 32;
    x.code_stride = plane * kernels::code_planes(format);
    x.plane = x.code_stride > plane ? plane : 0;
    x.scales = run.scales[static_cast<size_t>(input)].data();
    x.group = format.levels[0].group > 0 ? std::min(format.levels[0].group, x.cols) : x.cols;
  }
  kernels::matmul_oracle(*run.weight(node.weights[0]), x, run.out(node).data(),
                         static_cast<int64_t>(run.width(node.output)));
}

void rope(Run& run, const Node& node) {
  const auto dim = static_cast<size_t>(node.rope.dim);
  std::vector<float> cosine(dim / 2), sine(dim / 2);
  for (size_t t = 0; t < run.count(); ++t) {
    arith::rotary_angles(node.rope.base, node.rope.scale, node.rope.dim, static_cast<int64_t>(t), cosine.data(),
                         sine.data());
    for (size_t h = 0; h < static_cast<size_t>(node.rope.heads); ++h) {
      const size_t at = t * run.width(node.output) + h * dim;
      for (size_t i = 0; i < dim / 2; ++i) {
        const size_t first = at + (node.rope.halves ? i : 2 * i);
        const size_t second = at + (node.rope.halves ? i + dim / 2 : 2 * i + 1);
        const float a = run.in(node, 0)[first], b = run.in(node, 0)[second];
        run.out(node)[first] = std::fma(a, cosine[i], -(b * sine[i]));
        run.out(node)[second] = std::fma(a, sine[i], b * cosine[i]);
      }
    }
  }
}

// One query head against all positions up to its own.
void attend(const Attention& a, const float* q, size_t position, const std::vector<float>& k,
            const std::vector<float>& v, size_t kv_head, float* out) {
  const auto dim = static_cast<size_t>(a.dim), width = static_cast<size_t>(a.kv_heads) * dim;
  std::vector<float> scores(position + 1);
  float greatest = 0.0f;
  for (size_t j = 0; j <= position; ++j) {
    float score = 0.0f;
    for (size_t d = 0; d < dim; ++d) score = std::fma(q[d], k[j * width + kv_head * dim + d], score);
    scores[j] = score * a.scale;
    greatest = j == 0 ? scores[0] : std::max(greatest, scores[j]);
  }
  float lane[16] = {};
  for (size_t j = 0; j <= position; ++j) {
    scores[j] = arith::exp(scores[j] - greatest);
    lane[j % 16] += scores[j];
  }
  const float sum = tree(lane);
  for (size_t d = 0; d < dim; ++d) {
    float acc = 0.0f;
    for (size_t j = 0; j <= position; ++j) acc = std::fma(scores[j], v[j * width + kv_head * dim + d], acc);
    out[d] = acc / sum;
  }
}

void attention(Run& run, const Node& node) {
  const Attention& a = node.attention;
  const auto dim = static_cast<size_t>(a.dim);
  const size_t kv_width = static_cast<size_t>(a.kv_heads) * dim, q_width = run.width(node.output);
  // Keys and values as the cache keeps them, head by head.
  std::vector<float> k(run.count() * kv_width), v(run.count() * kv_width);
  for (size_t i = 0; i < k.size(); i += dim) {
    tensor::cast_row(a.kv, a.dim, &run.in(node, 1)[i], &k[i]);
    tensor::cast_row(a.kv, a.dim, &run.in(node, 2)[i], &v[i]);
  }
  for (size_t t = 0; t < run.count(); ++t) {
    for (size_t h = 0; h < static_cast<size_t>(a.heads); ++h) {
      const size_t kv_head = h / static_cast<size_t>(a.heads / a.kv_heads);
      attend(a, &run.in(node, 0)[t * q_width + h * dim], t, k, v, kv_head, &run.out(node)[t * q_width + h * dim]);
    }
  }
}

void silu_gate(Run& run, const Node& node) {
  std::vector<float>& out = run.out(node);
  for (size_t i = 0; i < out.size(); ++i) out[i] = arith::silu(run.in(node, 0)[i]) * run.in(node, 1)[i];
}

void add(Run& run, const Node& node) {
  std::vector<float>& out = run.out(node);
  for (size_t i = 0; i < out.size(); ++i) out[i] = run.in(node, 0)[i] + run.in(node, 1)[i];
}

using OpFunction = void (*)(Run&, const Node&);
constexpr OpFunction kOps[] = {
#define LOWBIT_OP(name, inputs, weights) name,
#include "graph/ops.inc"
#undef LOWBIT_OP
};

}  // namespace

Result<std::vector<std::vector<float>>> interpret(
    const Graph& graph, const std::function<const tensor::Weight*(const std::string&)>& weight,
    std::span<const int32_t> tokens) {
  for (const Parameter& parameter : graph.parameters) {
    const tensor::Weight* found = weight(parameter.name);
    if (found == nullptr || found->shape != parameter.shape) {
      return errorf("parameter {} is missing or has another shape", parameter.name);
    }
  }
  Run run{graph, weight, tokens, {}, {}, {}};
  run.values.resize(graph.values.size());
  run.codes.resize(graph.values.size());
  run.scales.resize(graph.values.size());
  for (const Node& node : graph.nodes) {
    run.out(node).assign(run.count() * run.width(node.output), 0.0f);
    kOps[static_cast<size_t>(node.op)](run, node);
  }
  return std::move(run.values);
}

}  // namespace lowbit::graph

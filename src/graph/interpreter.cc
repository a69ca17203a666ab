#include "graph/interpreter.h"

#include <algorithm>
#include <cmath>

#include "arith/functions.h"
#include "arith/rotary.h"
#include "graph/interpret_attention.h"
#include "kernels/matmul/matmul.h"
#include "tensor/cast.h"

namespace lowbit::graph {
namespace {

struct Run {
  const Graph& graph;
  const std::function<const tensor::Weight*(const std::string&)>& weight;
  std::span<const int32_t> tokens;
  std::vector<std::vector<float>> values;
  // Casts to integers keep their codes: [rows][cols padded to 32] and [rows][groups].
  std::vector<std::vector<int8_t>> codes;
  std::vector<std::vector<float>> scales;

  size_t count() const { return tokens.size(); }
  size_t width(ValueId id) const { return static_cast<size_t>(graph.values[static_cast<size_t>(id)].width); }
  // A value as rows: several of a token where it has slots.
  size_t columns(ValueId id) const { return static_cast<size_t>(graph.values[static_cast<size_t>(id)].columns()); }
  size_t rows(ValueId id) const { return count() * static_cast<size_t>(graph.values[static_cast<size_t>(id)].slots); }
  const std::vector<float>& in(const Node& node, size_t i) const {
    return values[static_cast<size_t>(node.inputs[i])];
  }
  std::vector<float>& out(const Node& node) { return values[static_cast<size_t>(node.output)]; }
};

void embed(Run& run, const Node& node) {
  const std::vector<float> table = tensor::dequantize(*run.weight(node.weights[0]));
  const size_t width = run.width(node.output);
  for (size_t t = 0; t < run.count(); ++t) {
    std::copy_n(&table[static_cast<size_t>(run.tokens[t]) * width], width, &run.out(node)[t * width]);
  }
}

void embed_positions(Run& run, const Node& node) {
  const std::vector<float> table = tensor::dequantize(*run.weight(node.weights[0]));
  std::copy_n(table.begin(), run.out(node).size(), run.out(node).begin());
}

void bias(Run& run, const Node& node) {
  const std::vector<float> added = tensor::dequantize(*run.weight(node.weights[0]));
  const size_t width = run.width(node.output), row = node.op == Op::row_bias ? static_cast<size_t>(node.row) : 0;
  std::vector<float>& out = run.out(node);
  for (size_t i = 0; i < out.size(); ++i) out[i] = run.in(node, 0)[i] + added[row * width + i % width];
}

void row_bias(Run& run, const Node& node) { bias(run, node); }

void rms_norm(Run& run, const Node& node) {
  const std::vector<float> weight = tensor::dequantize(*run.weight(node.weights[0]));
  const size_t width = node.dim > 0 ? static_cast<size_t>(node.dim) : run.width(node.output);
  for (size_t at = 0; at < run.out(node).size(); at += width) {
    const float* x = &run.in(node, 0)[at];
    float lane[16] = {};
    for (size_t i = 0; i < width; ++i) lane[i % 16] = std::fma(x[i], x[i], lane[i % 16]);
    const float mean = sum_of_lanes(lane) / static_cast<float>(width);
    const float scale = 1.0f / std::sqrt(mean + node.epsilon);
    for (size_t i = 0; i < width; ++i) run.out(node)[at + i] = x[i] * scale * weight[i];
  }
}

void layer_norm(Run& run, const Node& node) {
  const std::vector<float> weight = tensor::dequantize(*run.weight(node.weights[0]));
  const size_t width = run.width(node.output);
  for (size_t t = 0; t < run.count(); ++t) {
    const float* x = &run.in(node, 0)[t * width];
    float* y = &run.out(node)[t * width];
    float sums[16] = {}, squares[16] = {};
    for (size_t i = 0; i < width; ++i) sums[i % 16] += x[i];
    const float mean = sum_of_lanes(sums) / static_cast<float>(width);
    for (size_t i = 0; i < width; ++i) y[i] = x[i] - mean;
    for (size_t i = 0; i < width; ++i) squares[i % 16] = std::fma(y[i], y[i], squares[i % 16]);
    const float scale = 1.0f / std::sqrt(sum_of_lanes(squares) / static_cast<float>(width) + node.epsilon);
    for (size_t i = 0; i < width; ++i) y[i] = y[i] * scale * weight[i];
  }
}

void cast(Run& run, const Node& node) {
  const formats::Format& format = run.graph.values[static_cast<size_t>(node.output)].format;
  const size_t width = run.columns(node.output), rows = run.rows(node.output);
  std::vector<float>& out = run.out(node);
  if (!kernels::is_integer_activation(format)) {
    for (size_t t = 0; t < rows; ++t) {
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
  const bool binary = kernels::is_binary_activation(format);
  auto& codes = run.codes[static_cast<size_t>(node.output)];
  auto& scales = run.scales[static_cast<size_t>(node.output)];
  codes.assign(rows * stride, 0);
  scales.assign(rows * groups, 0.0f);
  for (size_t t = 0; t < rows; ++t) {
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
        int code = static_cast<int>(std::nearbyint(x));
        if (binary) code = run.in(node, 0)[t * width + i] > 0.0f ? 1 : -1;
        const int high = stride > plane ? (code + 64) >> 7 : 0;
        if (stride > plane) codes[t * stride + plane + i] = static_cast<int8_t>(high);
        codes[t * stride + i] = static_cast<int8_t>(code - 128 * high);
        out[t * width + i] = static_cast<float>(code) * scale;  // a code of 0 has no sign
      }
    }
  }
}

// All rows of a value times a whole weight: [rows of x][rows of the weight].
std::vector<float> product(Run& run, ValueId input, const tensor::Weight& weight) {
  const formats::Format& format = run.graph.values[static_cast<size_t>(input)].format;
  kernels::Activations x;
  x.format = &format;
  x.tokens = static_cast<int64_t>(run.rows(input));
  x.cols = static_cast<int64_t>(run.columns(input));
  x.values = run.values[static_cast<size_t>(input)].data();
  if (kernels::is_integer_activation(format)) {
    x.codes = run.codes[static_cast<size_t>(input)].data();
    const int64_t plane = (x.cols + 31) / 32 * 32;
    x.code_stride = plane * kernels::code_planes(format);
    x.plane = x.code_stride > plane ? plane : 0;
    x.scales = run.scales[static_cast<size_t>(input)].data();
    x.group = format.levels[0].group > 0 ? std::min(format.levels[0].group, x.cols) : x.cols;
  }
  std::vector<float> out(run.rows(input) * static_cast<size_t>(weight.rows()));
  kernels::matmul_oracle(weight, x, out.data(), weight.rows());
  return out;
}

void linear(Run& run, const Node& node) {
  run.out(node) = product(run, node.inputs[0], *run.weight(node.weights[0]));
}

// p[j] = exp(x[j] - max) / sum, the sum in 16 lanes by j mod 16.
std::vector<float> softmax(std::span<const float> x) {
  std::vector<float> p(x.size());
  float greatest = x[0], lane[16] = {};
  for (const float v : x) greatest = std::max(greatest, v);
  for (size_t j = 0; j < x.size(); ++j) lane[j % 16] += p[j] = arith::exp(x[j] - greatest);
  const float sum = sum_of_lanes(lane);
  for (float& v : p) v /= sum;
  return p;
}

void top_k(Run& run, const Node& node) {
  const size_t experts = run.width(node.inputs[0]), k = static_cast<size_t>(node.top_k.k);
  for (size_t t = 0; t < run.count(); ++t) {
    const std::span<const float> x(&run.in(node, 0)[t * experts], experts);
    std::vector<size_t> ids(experts);
    for (size_t i = 0; i < experts; ++i) ids[i] = i;
    std::stable_sort(ids.begin(), ids.end(), [&](size_t a, size_t b) { return x[a] > x[b]; });
    ids.resize(k);
    std::sort(ids.begin(), ids.end());
    std::vector<float> chosen(k);
    const std::vector<float> all = softmax(x);
    for (size_t s = 0; s < k; ++s) chosen[s] = node.top_k.softmax_all ? all[ids[s]] : x[ids[s]];
    if (!node.top_k.softmax_all) chosen = softmax(chosen);
    float sum = 0.0f;
    for (const float w : chosen) sum += w;
    for (size_t s = 0; s < k; ++s) {
      run.out(node)[t * 2 * k + s] = static_cast<float>(ids[s]);
      run.out(node)[t * 2 * k + k + s] = node.top_k.renormalise ? chosen[s] / sum : chosen[s];
    }
  }
}

void expert_linear(Run& run, const Node& node) {
  const tensor::Weight& weight = *run.weight(node.weights[0]);
  const auto experts = static_cast<size_t>(weight.shape[0]), rows = static_cast<size_t>(weight.shape[1]);
  const size_t k = run.width(node.inputs[1]) / 2, inputs = run.rows(node.inputs[0]) / run.count();  // 1 or k
  const std::vector<float> all = product(run, node.inputs[0], weight);                              // of every expert
  for (size_t i = 0; i < run.count() * k; ++i) {
    const auto expert = static_cast<size_t>(run.in(node, 1)[i / k * 2 * k + i % k]);
    const size_t row = inputs == 1 ? i / k : i;
    std::copy_n(&all[(row * experts + expert) * rows], rows, &run.out(node)[i * rows]);
  }
}

void combine(Run& run, const Node& node) {
  const size_t width = run.width(node.output), k = run.width(node.inputs[1]) / 2;
  for (size_t t = 0; t < run.count(); ++t) {
    for (size_t s = 0; s < k; ++s) {
      const float weight = run.in(node, 1)[t * 2 * k + k + s];
      for (size_t i = 0; i < width; ++i) {
        float& sum = run.out(node)[t * width + i];
        sum = std::fma(weight, run.in(node, 0)[(t * k + s) * width + i], sum);
      }
    }
  }
}

void rope(Run& run, const Node& node) {
  const Rope& r = node.rope;
  const auto dim = static_cast<size_t>(r.dim), half = static_cast<size_t>(r.turned_values()) / 2;
  std::vector<float> cosine(half), sine(half), factors;
  if (!node.weights.empty()) factors = tensor::dequantize(*run.weight(node.weights[0]));
  const arith::Rotary rotary{r.base, r.scale, r.turned_values(), r.amplitude,
                             factors.empty() ? nullptr : factors.data()};
  run.out(node) = run.in(node, 0);
  for (size_t t = 0; t < run.count(); ++t) {
    arith::rotary_angles(rotary, static_cast<int64_t>(t), cosine.data(), sine.data());
    for (size_t h = 0; h < static_cast<size_t>(r.heads); ++h) {
      const size_t at = t * run.width(node.output) + h * dim;
      for (size_t i = 0; i < half; ++i) {
        const size_t first = at + (r.halves ? i : 2 * i), second = at + (r.halves ? i + half : 2 * i + 1);
        const float a = run.in(node, 0)[first], b = run.in(node, 0)[second];
        run.out(node)[first] = std::fma(a, cosine[i], -(b * sine[i]));
        run.out(node)[second] = std::fma(a, sine[i], b * cosine[i]);
      }
    }
  }
}

void hadamard(Run& run, const Node& node) {
  const auto n = static_cast<size_t>(node.dim);
  std::vector<float>& out = run.out(node);
  out = run.in(node, 0);
  for (size_t distance = 1; distance < n; distance *= 2) {
    for (size_t i = 0; i < out.size(); ++i) {
      if (i / distance % 2 == 1) continue;
      const float a = out[i], b = out[i + distance];
      out[i] = a + b;
      out[i + distance] = a - b;
    }
  }
  const auto root = static_cast<float>(1.0 / std::sqrt(static_cast<double>(n)));
  for (float& v : out) v *= root;
}

void attention(Run& run, const Node& node) {
  interpret_attention(node.attention, run.in(node, 0), run.in(node, 1), run.in(node, 2), run.out(node));
}

void silu_gate(Run& run, const Node& node) {
  std::vector<float>& out = run.out(node);
  for (size_t i = 0; i < out.size(); ++i) out[i] = arith::silu(run.in(node, 0)[i]) * run.in(node, 1)[i];
}

// out[i] = f(in[i]).
template <class Function>
void each(Run& run, const Node& node, const Function& f) {
  std::vector<float>& out = run.out(node);
  for (size_t i = 0; i < out.size(); ++i) out[i] = f(run.in(node, 0)[i]);
}

void gelu_tanh(Run& run, const Node& node) { each(run, node, arith::gelu_tanh); }
void gelu_erf(Run& run, const Node& node) { each(run, node, arith::gelu_erf); }
void scale(Run& run, const Node& node) {
  each(run, node, [&](float x) { return x * node.constant; });
}
void softcap(Run& run, const Node& node) {
  each(run, node, [&](float x) { return arith::softcap(x, node.constant); });
}

void multiply(Run& run, const Node& node) {
  std::vector<float>& out = run.out(node);
  for (size_t i = 0; i < out.size(); ++i) out[i] = run.in(node, 0)[i] * run.in(node, 1)[i];
}

void slice(Run& run, const Node& node) {
  const size_t width = run.width(node.output), from = run.width(node.inputs[0]);
  for (size_t t = 0; t < run.count(); ++t) {
    std::copy_n(&run.in(node, 0)[t * from + static_cast<size_t>(node.begin)], width, &run.out(node)[t * width]);
  }
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
  for (const Node& node : graph.nodes) {
    if (node.op != Op::embed_positions) continue;
    const int64_t most = graph.parameter(node.weights[0])->shape[0];
    if (static_cast<int64_t>(tokens.size()) > most) {
      return errorf("node {}: {} tokens, but there are {} positions", node.name, tokens.size(), most);
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

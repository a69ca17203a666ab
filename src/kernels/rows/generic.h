// Row operations over a vector ISA. Each has one order of operations, stated in args.h and by the oracles in
// arith/functions.h; tails go through zero-padded copies, which add nothing.
#pragma once

#include "kernels/rows/args.h"
#include "simd/elementary.h"

namespace lowbit::kernels {

template <class S>
static inline typename S::Float load_part(const float* p, int64_t left) {
  if (left >= 16) return S::load(p);
  float padded[16] = {};
  for (int64_t i = 0; i < left; ++i) padded[i] = p[i];
  return S::load(padded);
}

template <class S>
static inline void store_part(float* p, typename S::Float v, int64_t left) {
  if (left >= 16) return S::store(p, v);
  float padded[16];
  S::store(padded, v);
  for (int64_t i = 0; i < left; ++i) p[i] = padded[i];
}

template <class S>
static inline void rms_norm(const RmsNormArgs& g) {
  for (int64_t row = 0; row < g.rows; ++row) {
    const float* x = g.x + row * g.cols;
    typename S::Float squares = S::zero();
    for (int64_t i = 0; i < g.cols; i += 16) {
      const typename S::Float v = load_part<S>(x + i, g.cols - i);
      squares = S::fma(v, v, squares);
    }
    const float mean = simd::sum_lanes<S>(squares) / static_cast<float>(g.cols);
    const float scale = 1.0f / __builtin_sqrtf(mean + g.epsilon);
    for (int64_t i = 0; i < g.cols; i += 16) {
      const typename S::Float v = S::mul(load_part<S>(x + i, g.cols - i), S::broadcast(scale));
      store_part<S>(g.y + row * g.cols + i, S::mul(v, load_part<S>(g.weight + i, g.cols - i)), g.cols - i);
    }
  }
}

template <class S>
static inline void silu_gate(const SiluGateArgs& g) {
  for (int64_t i = 0; i < g.count; i += 16) {
    const typename S::Float gate = simd::silu<S>(load_part<S>(g.gate + i, g.count - i));
    store_part<S>(g.y + i, S::mul(gate, load_part<S>(g.up + i, g.count - i)), g.count - i);
  }
}

template <class S>
static inline void add(const AddArgs& g) {
  for (int64_t i = 0; i < g.count; i += 16) {
    const typename S::Float a = load_part<S>(g.a + i, g.count - i);
    store_part<S>(g.y + i, S::add(a, load_part<S>(g.b + i, g.count - i)), g.count - i);
  }
}

template <class S>
static inline void exp_shifted(const ExpArgs& g) {
  for (int64_t i = 0; i < g.count; i += 16) {
    const typename S::Float x = load_part<S>(g.x + i, g.count - i);
    store_part<S>(g.y + i, simd::exp<S>(S::sub(x, S::broadcast(g.shift))), g.count - i);
  }
}

template <class S>
static inline void widen(const WidenArgs& g) {
  int64_t i = 0;
  for (; i + 16 <= g.count; i += 16) S::store(g.y + i, g.bfloat ? S::load_bf16(g.x + i) : S::load_f16(g.x + i));
  if (i == g.count) return;
  uint16_t padded[16] = {};
  for (int64_t j = i; j < g.count; ++j) padded[j - i] = g.x[j];
  store_part<S>(g.y + i, g.bfloat ? S::load_bf16(padded) : S::load_f16(padded), g.count - i);
}

template <class S>
static inline void rope(const RopeArgs& g) {
  const int64_t half = g.dim / 2;
  for (int64_t h = 0; h < g.heads; ++h) {
    const float* x = g.x + h * g.dim;
    float* y = g.y + h * g.dim;
    for (int64_t i = 0; i < half; ++i) {
      const int64_t first = g.halves ? i : 2 * i;
      const int64_t second = g.halves ? i + half : 2 * i + 1;
      const float a = x[first], b = x[second];
      y[first] = S::fma1(a, g.cosine[i], -(b * g.sine[i]));
      y[second] = S::fma1(a, g.sine[i], b * g.cosine[i]);
    }
  }
}

template <class S>
static inline void softmax(const SoftmaxArgs& g) {
  const typename S::Float scale = S::broadcast(g.scale);
  float greatest = g.scores[0] * g.scale;
  {
    typename S::Float most = S::broadcast(greatest);
    int64_t i = 0;
    for (; i + 16 <= g.count; i += 16) {
      const typename S::Float s = S::mul(S::load(g.scores + i), scale);
      S::store(g.scores + i, s);
      most = S::max(s, most);
    }
    float lane[16];
    S::store(lane, most);
    for (; i < g.count; ++i) {
      g.scores[i] *= g.scale;
      if (g.scores[i] > greatest) greatest = g.scores[i];
    }
    for (float v : lane) {
      if (v > greatest) greatest = v;
    }
  }
  typename S::Float sum = S::zero();
  for (int64_t i = 0; i < g.count; i += 16) {
    typename S::Float e = simd::exp<S>(S::sub(S::load(g.scores + i), S::broadcast(greatest)));
    if (g.count - i < 16) {
      float lane[16];
      S::store(lane, e);
      for (int64_t j = g.count - i; j < 16; ++j) lane[j] = 0.0f;
      e = S::load(lane);
    }
    S::store(g.scores + i, e);
    sum = S::add(sum, e);
  }
  *g.sum = simd::sum_lanes<S>(sum);
}

template <class S>
static inline float group_amax(const float* x, int64_t count) {
  typename S::Float most = S::zero();
  for (int64_t i = 0; i < count; i += 16) most = S::max(S::abs(load_part<S>(x + i, count - i)), most);
  float lane[16];
  S::store(lane, most);
  float greatest = 0.0f;
  for (float v : lane) {
    if (v > greatest) greatest = v;
  }
  return greatest;
}

template <class S>
static inline void store_codes(int8_t* codes, typename S::Float v, int64_t left) {
  if (left >= 16) {
    S::store_bytes(codes, S::to_int(v));
    return;
  }
  int8_t part[16];
  S::store_bytes(part, S::to_int(v));
  for (int64_t j = 0; j < left; ++j) codes[j] = part[j];
}

// plane 0: one byte per code; else the code as 128 * high + low, |low| <= 64, high `plane` bytes behind.
template <class S>
static inline void quantize_group(const float* x, int64_t count, float inverse, float most, int64_t plane,
                                  int8_t* codes) {
  const typename S::Float magic = S::broadcast(12582912.0f);
  for (int64_t i = 0; i < count; i += 16) {
    typename S::Float v = S::mul(load_part<S>(x + i, count - i), S::broadcast(inverse));
    v = S::min(S::max(v, S::broadcast(-most)), S::broadcast(most));
    v = S::sub(S::add(v, magic), magic);
    if (plane != 0) {
      const typename S::Float high = S::sub(S::fma(v, S::broadcast(0x1p-7f), magic), magic);
      store_codes<S>(codes + plane + i, high, count - i);
      v = S::fma(high, S::broadcast(-128.0f), v);
    }
    store_codes<S>(codes + i, v, count - i);
  }
}

template <class S>
static inline void quantize(const QuantizeArgs& g) {
  const int64_t groups = (g.cols + g.group - 1) / g.group;
  for (int64_t row = 0; row < g.rows; ++row) {
    const float* x = g.x + row * g.cols;
    int8_t* codes = g.codes + row * g.code_stride;
    const int64_t width = g.plane == 0 ? g.code_stride : g.plane;
    for (int64_t begin = 0; begin < g.code_stride; begin += width) {
      for (int64_t i = g.cols; i < width; ++i) codes[begin + i] = 0;
    }
    for (int64_t group = 0; group < groups; ++group) {
      const int64_t begin = group * g.group;
      const int64_t count = begin + g.group < g.cols ? g.group : g.cols - begin;
      const float amax = group_amax<S>(x + begin, count);
      float scale = amax < 0x1p-100f ? 0.0f : amax / static_cast<float>(g.most);
      scale = g.stored(g.scale_format, scale);
      const float inverse = scale > 0.0f ? 1.0f / scale : 0.0f;
      g.scales[row * groups + group] = scale;
      quantize_group<S>(x + begin, count, inverse, static_cast<float>(g.most), g.plane, codes + begin);
    }
  }
}

}  // namespace lowbit::kernels

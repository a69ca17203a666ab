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
static inline void layer_norm(const LayerNormArgs& g) {
  const auto n = static_cast<float>(g.cols);
  for (int64_t row = 0; row < g.rows; ++row) {
    const float* x = g.x + row * g.cols;
    float* y = g.y + row * g.cols;
    typename S::Float sum = S::zero(), squares = S::zero();
    for (int64_t i = 0; i < g.cols; i += 16) sum = S::add(sum, load_part<S>(x + i, g.cols - i));
    const float mean = simd::sum_lanes<S>(sum) / n;
    for (int64_t i = 0; i < g.cols; i += 16) {
      store_part<S>(y + i, S::sub(load_part<S>(x + i, g.cols - i), S::broadcast(mean)), g.cols - i);
      const typename S::Float d = load_part<S>(y + i, g.cols - i);  // zeros beyond the row
      squares = S::fma(d, d, squares);
    }
    const float scale = 1.0f / __builtin_sqrtf(simd::sum_lanes<S>(squares) / n + g.epsilon);
    for (int64_t i = 0; i < g.cols; i += 16) {
      const typename S::Float d = S::mul(load_part<S>(y + i, g.cols - i), S::broadcast(scale));
      store_part<S>(y + i, S::mul(d, load_part<S>(g.weight + i, g.cols - i)), g.cols - i);
    }
  }
}

template <class S>
static inline void bias(const BiasArgs& g) {
  for (int64_t row = 0; row < g.rows; ++row) {
    for (int64_t i = 0; i < g.cols; i += 16) {
      const typename S::Float x = load_part<S>(g.x + row * g.cols + i, g.cols - i);
      store_part<S>(g.y + row * g.cols + i, S::add(x, load_part<S>(g.bias + i, g.cols - i)), g.cols - i);
    }
  }
}

template <class S>
static inline void gelu_tanh(const UnaryArgs& g) {
  for (int64_t i = 0; i < g.count; i += 16) {
    store_part<S>(g.y + i, simd::gelu_tanh<S>(load_part<S>(g.x + i, g.count - i)), g.count - i);
  }
}

template <class S>
static inline void gelu_erf(const UnaryArgs& g) {
  for (int64_t i = 0; i < g.count; i += 16) {
    store_part<S>(g.y + i, simd::gelu_erf<S>(load_part<S>(g.x + i, g.count - i)), g.count - i);
  }
}

template <class S>
static inline void multiply(const MultiplyArgs& g) {
  for (int64_t i = 0; i < g.count; i += 16) {
    const typename S::Float a = load_part<S>(g.a + i, g.count - i);
    store_part<S>(g.y + i, S::mul(a, load_part<S>(g.b + i, g.count - i)), g.count - i);
  }
}

template <class S>
static inline void scale(const ScaleArgs& g) {
  for (int64_t i = 0; i < g.count; i += 16) {
    store_part<S>(g.y + i, S::mul(load_part<S>(g.x + i, g.count - i), S::broadcast(g.factor)), g.count - i);
  }
}

template <class S>
static inline void softcap(const SoftcapArgs& g) {
  const typename S::Float cap = S::broadcast(g.cap);
  for (int64_t i = 0; i < g.count; i += 16) {
    store_part<S>(g.y + i, simd::softcap<S>(load_part<S>(g.x + i, g.count - i), cap), g.count - i);
  }
}

template <class S>
static inline void combine(const CombineArgs& g) {
  for (int64_t i = 0; i < g.count; i += 16) {
    typename S::Float sum = S::zero();
    for (int64_t s = 0; s < g.slots; ++s) {
      sum = S::fma(S::broadcast(g.weights[s]), load_part<S>(g.parts + s * g.count + i, g.count - i), sum);
    }
    store_part<S>(g.y + i, sum, g.count - i);
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
static inline void rope(const RopeArgs& g) {
  const int64_t half = g.turned / 2;
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
    for (int64_t i = g.turned; i < g.dim; ++i) y[i] = x[i];
  }
}

// The steps of distances below 16, those below n.
template <class S>
static inline typename S::Float hadamard_lanes(typename S::Float x, int64_t n) {
  if (n > 1) x = S::template butterfly<1>(x);
  if (n > 2) x = S::template butterfly<2>(x);
  if (n > 4) x = S::template butterfly<4>(x);
  return n > 8 ? S::template butterfly<8>(x) : x;
}

// The steps of distances below 16 Vectors, then a product with `factor`.
template <class S, int Vectors>
static inline void hadamard_block(const float* x, float factor, float* y) {
  typename S::Float v[Vectors];
  for (int i = 0; i < Vectors; ++i) v[i] = hadamard_lanes<S>(S::load(x + 16 * i), 16);
  for (int distance = 1; distance < Vectors; distance *= 2) {
    for (int i = 0; i < Vectors; ++i) {
      if ((i & distance) != 0) continue;
      const typename S::Float a = v[i], b = v[i + distance];
      v[i] = S::add(a, b);
      v[i + distance] = S::sub(a, b);
    }
  }
  for (int i = 0; i < Vectors; ++i) S::store(y + 16 * i, S::mul(v[i], S::broadcast(factor)));
}

template <class S>
static inline void hadamard(const HadamardArgs& g) {
  constexpr int64_t kBlock = 64;  // values that go through the registers at once
  const auto root = static_cast<float>(1.0 / __builtin_sqrt(static_cast<double>(g.n)));
  if (g.n <= 16) {
    for (int64_t i = 0; i < g.count; i += 16) {
      const typename S::Float v = hadamard_lanes<S>(load_part<S>(g.x + i, g.count - i), g.n);
      store_part<S>(g.y + i, S::mul(v, S::broadcast(root)), g.count - i);
    }
  } else if (g.n < kBlock) {
    for (int64_t i = 0; i < g.count; i += 32) hadamard_block<S, 2>(g.x + i, root, g.y + i);
  } else {
    const float factor = g.n == kBlock ? root : 1.0f;
    for (int64_t i = 0; i < g.count; i += kBlock) hadamard_block<S, 4>(g.x + i, factor, g.y + i);
  }
  for (int64_t distance = kBlock; distance < g.n; distance *= 2) {
    const typename S::Float factor = S::broadcast(2 * distance == g.n ? root : 1.0f);
    for (int64_t i = 0; i < g.count; i += 16) {
      if ((i & distance) != 0) continue;
      const typename S::Float a = S::load(g.y + i), b = S::load(g.y + i + distance);
      S::store(g.y + i, S::mul(S::add(a, b), factor));
      S::store(g.y + i + distance, S::mul(S::sub(a, b), factor));
    }
  }
}

// One block of scores made ready: scaled and capped.
template <class S>
static inline typename S::Float shaped_scores(const SoftmaxArgs& g, const float* scores) {
  const typename S::Float s = S::mul(S::load(scores), S::broadcast(g.scale));
  return g.cap > 0.0f ? simd::softcap<S>(s, S::broadcast(g.cap)) : s;
}

template <class S>
static inline void softmax(const SoftmaxArgs& g) {
  const int64_t begin = g.first / 16 * 16;
  for (int64_t i = 0; i < begin; ++i) g.scores[i] = 0.0f;
  // The greatest of the first seen block's own lanes starts the search; its other lanes never count.
  float greatest = 0.0f;
  bool any = false;
  typename S::Float most = S::zero();
  for (int64_t i = begin; i < g.count; i += 16) {
    const typename S::Float s = shaped_scores<S>(g, g.scores + i);
    S::store(g.scores + i, s);
    if (i >= g.first && i + 16 <= g.count) {
      most = any ? S::max(s, most) : s;
      any = true;
    }
  }
  const auto take = [&](float v) {
    if (v > greatest) greatest = v;
  };
  greatest = g.scores[g.first];
  if (any) {
    float lane[16];
    S::store(lane, most);
    for (float v : lane) take(v);
  }
  for (int64_t i = g.first; i < g.count && i < begin + 16; ++i) take(g.scores[i]);
  for (int64_t i = g.count / 16 * 16 > g.first ? g.count / 16 * 16 : g.first; i < g.count; ++i) take(g.scores[i]);
  typename S::Float sum = S::zero();
  for (int64_t i = begin; i < g.count; i += 16) {
    typename S::Float e = simd::exp<S>(S::sub(S::load(g.scores + i), S::broadcast(greatest)));
    if (i < g.first || g.count - i < 16) {
      float lane[16];
      S::store(lane, e);
      for (int64_t j = 0; j < 16; ++j) {
        if (i + j < g.first || i + j >= g.count) lane[j] = 0.0f;
      }
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
  return S::reduce_max(most);  // NaN was passed over
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

// v * inverse within +-most, to the nearest whole number, even ones first.
template <class S>
static inline typename S::Float quantized(typename S::Float v, typename S::Float inverse, typename S::Float most) {
  const typename S::Float magic = S::broadcast(12582912.0f);
  v = S::min(S::max(S::mul(v, inverse), S::sub(S::zero(), most)), most);
  return S::sub(S::add(v, magic), magic);
}

// plane 0: one byte per code; else the code as 128 * high + low, |low| <= 64, high `plane` bytes behind.
template <class S>
static inline void quantize_group(const float* x, int64_t count, float inverse, float most, int64_t plane,
                                  int8_t* codes) {
  const typename S::Float magic = S::broadcast(12582912.0f);
  for (int64_t i = 0; i < count; i += 16) {
    typename S::Float v = quantized<S>(load_part<S>(x + i, count - i), S::broadcast(inverse), S::broadcast(most));
    if (plane != 0) {
      const typename S::Float high = S::sub(S::fma(v, S::broadcast(0x1p-7f), magic), magic);
      store_codes<S>(codes + plane + i, high, count - i);
      v = S::fma(high, S::broadcast(-128.0f), v);
    }
    store_codes<S>(codes + i, v, count - i);
  }
}

template <class S>
static inline void signs(const float* x, int64_t count, int8_t* codes) {
  for (int64_t i = 0; i < count; i += 16) {
    const typename S::Float v = load_part<S>(x + i, count - i);
    store_codes<S>(codes + i, S::select_less(S::zero(), v, S::broadcast(1.0f), S::broadcast(-1.0f)), count - i);
  }
}

// Scales of at most 16 groups from their greatest magnitudes, and what values are multiplied by: divisions at once.
template <class S>
static inline void scales_of(const QuantizeArgs& g, int64_t groups, float (&found)[16], float (&inverses)[16]) {
  const typename S::Float amax = S::load(found), most = S::broadcast(static_cast<float>(g.most));
  S::store(found, S::select_less(amax, S::broadcast(0x1p-100f), S::zero(), S::div(amax, most)));
  for (int64_t i = 0; g.stored != nullptr && i < groups; ++i) found[i] = g.stored(g.scale_format, found[i]);
  const typename S::Float scale = S::load(found);
  S::store(inverses, S::select_less(S::zero(), scale, S::div(S::broadcast(1.0f), scale), S::zero()));
}

// At most 16 groups of a row.
template <class S>
static inline void quantize_groups(const QuantizeArgs& g, const float* x, int64_t first, int64_t groups,
                                   int8_t* codes, float* scales) {
  float found[16] = {}, inverses[16];
  const auto length = [&](int64_t begin) { return begin + g.group < g.cols ? g.group : g.cols - begin; };
  for (int64_t i = 0; i < groups; ++i) {
    const int64_t begin = (first + i) * g.group;
    found[i] = group_amax<S>(x + begin, length(begin));
  }
  scales_of<S>(g, groups, found, inverses);
  for (int64_t i = 0; i < groups; ++i) {
    const int64_t begin = (first + i) * g.group, count = length(begin);
    scales[i] = found[i];
    if (g.binary) {
      signs<S>(x + begin, count, codes + begin);
    } else {
      quantize_group<S>(x + begin, count, inverses[i], static_cast<float>(g.most), g.plane, codes + begin);
    }
  }
}

// The same of 16 whole groups of 32 columns, codes of one byte.
template <class S>
static inline void quantize_whole(const QuantizeArgs& g, const float* x, int8_t* codes, float* scales) {
  float found[16], inverses[16];
  for (int i = 0; i < 16; ++i) {
    found[i] = group_amax<S>(x + 32 * i, 32);
  }
  scales_of<S>(g, 16, found, inverses);
  S::store(scales, S::load(found));
  const typename S::Float most = S::broadcast(static_cast<float>(g.most));
  for (int i = 0; i < 16; ++i) {
    const typename S::Float inverse = S::broadcast(inverses[i]);
    const auto code = [&](const float* at) { return S::to_int(quantized<S>(S::load(at), inverse, most)); };
    const float* at = x + 32 * i;
    S::store_bytes(codes + 32 * i, code(at), code(at + 16));
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
    for (int64_t first = 0; first < groups; first += 16) {
      const int64_t count = first + 16 < groups ? 16 : groups - first, begin = first * g.group;
      float* scales = g.scales + row * groups + first;
      if (count == 16 && g.group == 32 && begin + 16 * 32 <= g.cols && g.plane == 0 && !g.binary) {
        quantize_whole<S>(g, x + begin, codes + begin, scales);
      } else {
        quantize_groups<S>(g, x, first, count, codes, scales);
      }
    }
  }
}

}  // namespace lowbit::kernels

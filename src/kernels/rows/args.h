// Arguments of the operations on rows of activations: plain values only, so that ISA files may include them.
#pragma once

#include <cstdint>

namespace lowbit::kernels {

// y = x / sqrt(mean(x^2) + epsilon) * weight for each of `rows` rows of `cols`.
struct RmsNormArgs {
  int64_t rows, cols;
  const float* x;
  const float* weight;
  float epsilon;
  float* y;
};

// y = (x - mean) / sqrt(mean of (x - mean)^2 + epsilon) * weight for each of `rows` rows of `cols`; both sums in 16
// lanes by column mod 16, then a fixed tree.
struct LayerNormArgs {
  int64_t rows, cols;
  const float* x;
  const float* weight;
  float epsilon;
  float* y;
};

// y = x + bias for each of `rows` rows of `cols`.
struct BiasArgs {
  int64_t rows, cols;
  const float* x;
  const float* bias;
  float* y;
};

// y = f(x), elementwise over `count` values.
struct UnaryArgs {
  int64_t count;
  const float* x;
  float* y;
};

// y = a * b.
struct MultiplyArgs {
  int64_t count;
  const float* a;
  const float* b;
  float* y;
};

// y = x * factor.
struct ScaleArgs {
  int64_t count;
  const float* x;
  float factor;
  float* y;
};

// y = cap * tanh(x / cap).
struct SoftcapArgs {
  int64_t count;
  const float* x;
  float cap;
  float* y;
};

// y[i] = sum over `slots` parts of weights[s] * parts[s * count + i], a chain of fused multiply-adds from +0.
struct CombineArgs {
  int64_t count, slots;
  const float* weights;
  const float* parts;
  float* y;
};

// y = silu(gate) * up, elementwise over `count` values.
struct SiluGateArgs {
  int64_t count;
  const float* gate;
  const float* up;
  float* y;
};

// y = a + b.
struct AddArgs {
  int64_t count;
  const float* a;
  const float* b;
  float* y;
};

// In one row of `heads` heads of `dim` values: of the first `turned` of each head the pairs (2i, 2i+1) (interleaved)
// or (i, i + turned/2) (halves) turned by the angle whose cosine and sine are given for i < turned/2; the rest as is.
struct RopeArgs {
  int64_t heads, dim, turned;
  bool halves;
  const float* x;
  const float* cosine;
  const float* sine;
  float* y;
};

// Each block of n = 2^m values times the orthonormal Hadamard matrix: for distances 1, 2, 4, ... n / 2 in turn,
// (a, b) = (a + b, a - b) of values so far apart, then one multiplication by the float nearest 1 / sqrt(n). `count`
// is a multiple of n; y may be x.
struct HadamardArgs {
  int64_t count, n;
  const float* x;
  float* y;
};

// In place, with s_j = scores[j] * scale, or cap * tanh(that / cap) where cap > 0: scores[j] = exp(s_j - max_j s_j)
// for first <= j < count and 0 for j < first; *sum = their sum in 16 lanes by j mod 16, then a fixed tree. The buffer
// is padded to a multiple of 16; the padding is overwritten.
struct SoftmaxArgs {
  int64_t count;
  float scale;
  float* scores;
  float* sum;
  int64_t first = 0;
  float cap = 0.0f;
};

// Symmetric integer codes in groups along the row: scale = amax / most, code = nearest even of x * (1 / scale),
// clamped to [-most, most]. A group whose amax is below 2^-100 has scale 0 and codes 0. `stored` rounds a scale to
// the format that scale_format points at; null: f32.
struct QuantizeArgs {
  int64_t rows, cols, group;
  const float* x;
  int32_t most;
  const void* scale_format;
  float (*stored)(const void* scale_format, float scale);
  int8_t* codes;  // [rows][code_stride]; columns beyond cols are set to 0 up to the end of each plane
  int64_t code_stride;
  float* scales;        // [rows][groups]
  int64_t plane = 0;    // 0: a code is one byte; else code = 128 * codes[plane + i] + codes[i]
  bool binary = false;  // codes are 1 where x > 0, else -1
};

// y = exp(x - shift).
struct ExpArgs {
  int64_t count;
  const float* x;
  float shift;
  float* y;
};

}  // namespace lowbit::kernels

#include "graph/interpret_attention.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "arith/functions.h"
#include "tensor/cast.h"

namespace lowbit::graph {
namespace {

// Keys or values of one kv head as the cache keeps them, [tokens][dim]: values, and, of integers, codes and scales.
struct Kept {
  size_t dim = 0, group = 1, groups = 0;
  std::vector<float> values, codes, scales;

  Kept(const Attention& a, std::span<const float> x, size_t kv_head) : dim(static_cast<size_t>(a.dim)) {
    const size_t width = static_cast<size_t>(a.kv_heads) * dim, tokens = x.size() / width;
    values.resize(tokens * dim);
    if (a.integer) {
      group = a.kv.levels[0].group > 0 ? std::min(dim, static_cast<size_t>(a.kv.levels[0].group)) : dim;
      groups = (dim + group - 1) / group;
      codes.resize(tokens * dim);
      scales.resize(tokens * groups);
    }
    std::vector<uint8_t> row(dim);
    for (size_t t = 0; t < tokens; ++t) {
      const float* from = &x[t * width + kv_head * dim];
      tensor::cast_row(a.kv, a.dim, from, &values[t * dim]);
      if (!a.integer) continue;
      tensor::encode_row(a.kv, a.dim, from, row.data(), &scales[t * groups]);
      for (size_t d = 0; d < dim; ++d) codes[t * dim + d] = formats::decode_table(a.kv.element)[row[d]];
    }
  }
};

// A row of queries as int8 in the groups of the keys.
struct QueryCodes {
  std::vector<float> codes, scales;

  QueryCodes(const float* q, const Kept& k) : codes(k.dim), scales(k.groups) {
    for (size_t g = 0; g < k.groups; ++g) {
      const size_t begin = g * k.group, end = std::min(k.dim, begin + k.group);
      float amax = 0.0f;
      for (size_t d = begin; d < end; ++d) amax = std::max(amax, std::fabs(q[d]));
      scales[g] = amax < 0x1p-100f ? 0.0f : amax / 127.0f;
      const float inverse = scales[g] > 0.0f ? 1.0f / scales[g] : 0.0f;
      for (size_t d = begin; d < end; ++d) {
        float x = q[d] * inverse;
        x = x > -127.0f ? x : -127.0f;  // NaN too, as the kernels have it
        codes[d] = std::nearbyint(x < 127.0f ? x : 127.0f);
      }
    }
  }
};

float integer_score(const QueryCodes& q, const Kept& k, size_t j) {
  float acc = 0.0f;
  for (size_t g = 0; g < k.groups; ++g) {
    int32_t sum = 0;
    for (size_t d = g * k.group; d < std::min(k.dim, (g + 1) * k.group); ++d) {
      sum += static_cast<int32_t>(q.codes[d]) * static_cast<int32_t>(k.codes[j * k.dim + d]);
    }
    acc = std::fma(static_cast<float>(sum), k.scales[j * k.groups + g] * q.scales[g], acc);
  }
  return acc;
}

float float_score(const float* q, const Kept& k, size_t j) {
  float score = 0.0f;
  for (size_t d = 0; d < k.dim; ++d) score = std::fma(q[d], k.values[j * k.dim + d], score);
  return score;
}

// weights: of positions [begin, end), by their absolute numbers.
float float_output(const std::vector<float>& weights, const Kept& v, size_t begin, size_t end, size_t d) {
  float acc = 0.0f;
  for (size_t j = begin; j < end; ++j) acc = std::fma(weights[j], v.values[j * v.dim + d], acc);
  return acc;
}

// Where a chunk of positions that has this one ends: after the first 16 of a sequence, and wherever 64 end.
size_t end_of_chunk(size_t position) { return position < 16 ? 16 : position / 64 * 64 + 64; }

// In each chunk the weights times the scales of the values become uint8.
float integer_output(const std::vector<float>& weights, const Kept& v, size_t begin, size_t end, size_t d) {
  const auto scale = [&](size_t j) { return v.scales[j * v.groups + d / v.group]; };
  float acc = 0.0f;
  for (size_t from = begin, to = 0; from < end; from = to) {
    to = std::min(end, end_of_chunk(from));
    float p = 0x1p-100f, m = 0.0f;
    int32_t sum = 0;
    for (size_t j = from; j < to; ++j) {
      p = std::max(p, weights[j]);
      m = std::max(m, scale(j));
    }
    const float inverse = 255.0f / p;
    for (size_t j = from; j < to; ++j) {
      const float x = weights[j] * inverse * (scale(j) * (1.0f / m));
      sum += static_cast<int32_t>(std::nearbyint(x > 0.0f ? x : 0.0f)) * static_cast<int32_t>(v.codes[j * v.dim + d]);
    }
    acc = std::fma(static_cast<float>(sum), p * (1.0f / 255.0f) * m, acc);
  }
  return acc;
}

// One query head against the positions that it sees; lanes by their absolute numbers.
void attend(const Attention& a, const float* q, size_t position, const Kept& k, const Kept& v, float* out) {
  const auto at = static_cast<int64_t>(position), length = static_cast<int64_t>(k.values.size() / k.dim);
  const auto begin = static_cast<size_t>(a.first_key(at)), end = static_cast<size_t>(a.end_key(at, length));
  std::vector<float> raw(end), scores(end);
  float greatest = 0.0f;
  const QueryCodes codes(q, k);
  for (size_t j = begin; j < end; ++j) {
    raw[j] = a.integer ? integer_score(codes, k, j) : float_score(q, k, j);
    scores[j] = raw[j] * a.scale;
    if (a.softcap > 0.0f) scores[j] = arith::softcap(scores[j], a.softcap);
    greatest = j == begin ? scores[j] : std::max(greatest, scores[j]);
  }
  // Of integers a scale that keeps the order of scores is multiplied together with log2 e.
  const bool waits = a.integer && a.scale > 0.0f && !(a.softcap > 0.0f);
  const float unit = (waits ? a.scale : 1.0f) * arith::kLog2E;
  float lane[16] = {};
  for (size_t j = begin; j < end; ++j) {
    scores[j] = a.integer
                    ? arith::coarse_exp2(std::fma(waits ? raw[j] : scores[j], unit, -(greatest * arith::kLog2E)))
                    : arith::exp(scores[j] - greatest);
    lane[j % 16] += scores[j];
  }
  const float sum = sum_of_lanes(lane);
  for (size_t d = 0; d < k.dim; ++d) {
    out[d] = (a.integer ? integer_output(scores, v, begin, end, d) : float_output(scores, v, begin, end, d)) / sum;
  }
}

}  // namespace

float sum_of_lanes(float (&lane)[16]) {
  for (int width = 8; width > 0; width /= 2) {
    for (int i = 0; i < width; ++i) lane[i] += lane[i + width];
  }
  return lane[0];
}

void interpret_attention(const Attention& a, std::span<const float> q, std::span<const float> k,
                         std::span<const float> v, std::span<float> out) {
  const auto dim = static_cast<size_t>(a.dim), heads = static_cast<size_t>(a.heads);
  const size_t width = heads * dim, group = heads / static_cast<size_t>(a.kv_heads);
  for (size_t kv_head = 0; kv_head < static_cast<size_t>(a.kv_heads); ++kv_head) {
    const Kept keys(a, k, kv_head), values(a, v, kv_head);
    for (size_t t = 0; t < q.size() / width; ++t) {
      for (size_t h = kv_head * group; h < (kv_head + 1) * group; ++h) {
        attend(a, &q[t * width + h * dim], t, keys, values, &out[t * width + h * dim]);
      }
    }
  }
}

}  // namespace lowbit::graph

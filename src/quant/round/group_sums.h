// Sums over one group, in four lanes of float: what the search over scales spends its time in.
#pragma once

#include <limits>

#include "quant/round/choose_group.h"
#include "quant/round/lanes.h"

namespace lowbit::quant {

// weight -> value of the grid -> weight, under one scale, minimum and zero point.
struct CodeMap {
  Float4 divisor, scale, minimum, zero;

  CodeMap(float s, float m, float z)
      : divisor(splat(s != 0 ? s : std::numeric_limits<float>::infinity())),
        scale(splat(s)),
        minimum(splat(m)),
        zero(splat(z)) {}

  // Another scale, minimum and zero point in each lane.
  CodeMap(Float4 s, Float4 m, Float4 z)
      : divisor(s != splat(0) ? s : splat(std::numeric_limits<float>::infinity())), scale(s), minimum(m), zero(z) {}

  template <class R>
  Float4 grid(const R& round, Float4 x) const {
    return round((x - minimum) / divisor + zero);
  }
  // The integer (or real) factor of the scale: the value of the grid less the zero point.
  template <class R>
  Float4 factor(const R& round, Float4 x) const {
    return grid(round, x) - zero;
  }
};

template <class R>
float weighted_error(const R& round, const GroupData& data, float scale, float minimum, float zero) {
  const CodeMap map(scale, minimum, zero);
  Float4 sum = splat(0);
  for (int64_t i = 0; i < data.padded; i += kLanes) {
    const Float4 x = load4(data.weights + i);
    const Float4 d = (x - map.minimum) - map.factor(round, x) * map.scale;
    sum += load4(data.importance + i) * d * d;
  }
  return sum4(sum);
}

template <class R>
GroupSums group_sums(const R& round, const GroupData& data, float scale, float minimum, float zero) {
  const CodeMap map(scale, minimum, zero);
  Float4 h = splat(0), hx = splat(0), hxx = splat(0), hv = splat(0), hxv = splat(0), hvv = splat(0);
  for (int64_t i = 0; i < data.padded; i += kLanes) {
    const Float4 x = load4(data.weights + i);
    const Float4 w = load4(data.importance + i);
    const Float4 v = map.factor(round, x);
    const Float4 wv = w * v;
    h += w;
    hx += w * x;
    hxx += w * x * x;
    hv += wv;
    hxv += wv * x;
    hvv += wv * v;
  }
  return {sum4(h), sum4(hx), sum4(hxx), sum4(hv), sum4(hxv), sum4(hvv)};
}

}  // namespace lowbit::quant

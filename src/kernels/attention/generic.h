// The parts of attention over a vector ISA: this file has the two passes of a softmax.
#pragma once

#include "kernels/attention/generic_codes.h"
#include "kernels/attention/generic_panels.h"
#include "kernels/attention/generic_seen.h"
#include "simd/elementary.h"

namespace lowbit::kernels {

// The greatest lanes of a row of which everything is seen as it is.
template <class S>
static inline typename S::Float whole_maxima(const ScoresArgs& g, int64_t row, typename S::Float most) {
  const float* at = g.scores + row * 16;
  const int64_t step = g.pitch * 16;
  typename S::Float other = most;
  int64_t block = 0;
  for (; block + 2 <= g.blocks; block += 2, at += 2 * step) {
    most = S::max(S::load(at), most);
    other = S::max(S::load(at + step), other);
  }
  if (block < g.blocks) most = S::max(S::load(at), most);
  return S::max(other, most);
}

template <class S>
static inline void score_maxima(const ScoresArgs& g) {
  const bool shape = shaped_first(g.scale, g.cap);
  for (int64_t row = 0; row < g.rows; ++row) {
    typename S::Float most = S::load(g.lanes + row * 16);
    if (!shape && g.first[row] <= g.origin && g.end[row] >= g.origin + g.blocks * 16) {
      S::store(g.lanes + row * 16, whole_maxima<S>(g, row, most));
      continue;
    }
    const Seen seen = seen_by(g, row);
    for (int64_t block = seen.begin_block; block < seen.end_block; ++block) {
      float* at = g.scores + (block * g.pitch + row) * 16;
      typename S::Float s = S::load(at);
      if (shape) {
        s = S::mul(s, S::broadcast(g.scale));
        if (g.cap > 0.0f) s = simd::softcap<S>(s, S::broadcast(g.cap));
        S::store(at, s);
      }
      most = S::max(seen_lanes<S>(s, block, seen, -__builtin_inff()), most);
    }
    S::store(g.lanes + row * 16, most);
  }
}

// Weights of `Count` blocks of a row and their sums. scale, greatest: of the row, coarse times log2 e.
template <class S, bool Coarse, int Count>
static inline void weigh_blocks(const ScoresArgs& g, int64_t row, int64_t block, const Seen& seen, float scale,
                                float greatest, typename S::Float& sum) {
  float* at = g.scores + (block * g.pitch + row) * 16;
  const int64_t step = g.pitch * 16;
  typename S::Float e[Count];
  for (int i = 0; i < Count; ++i) {
    const typename S::Float s = S::load(at + i * step);
    e[i] = Coarse ? S::fma(s, S::broadcast(scale), S::broadcast(-greatest))
                  : S::sub(S::mul(s, S::broadcast(scale)), S::broadcast(greatest));
  }
  if constexpr (Coarse) {
    simd::coarse_exp2<S>(e);
  } else {
    simd::exp<S>(e);
  }
  for (int i = 0; i < Count; ++i) {
    if constexpr (Count == 1) e[i] = seen_lanes<S>(e[i], block, seen, 0.0f);
    S::store(at + i * step, e[i]);
    sum = S::add(sum, e[i]);
  }
}

template <class S, bool Coarse>
static inline void weigh_rows(const ScoresArgs& g) {
  const float unit = Coarse ? simd::kLog2E : 1.0f;
  const float scale = (shaped_first(g.scale, g.cap) ? 1.0f : g.scale) * unit;
  for (int64_t row = 0; row < g.rows; ++row) {
    const float greatest = g.greatest[row] * unit;
    const Seen seen = seen_by(g, row);
    typename S::Float sum = S::load(g.lanes + row * 16);
    for (int64_t block = 0; block < seen.begin_block && block < g.blocks; ++block) {
      S::store(g.scores + (block * g.pitch + row) * 16, S::zero());
    }
    for (int64_t block = seen.begin_block; block < seen.end_block;) {
      if (block * 16 >= seen.first && block * 16 + 64 <= seen.end) {
        weigh_blocks<S, Coarse, 4>(g, row, block, seen, scale, greatest, sum);
        block += 4;
      } else {
        weigh_blocks<S, Coarse, 1>(g, row, block, seen, scale, greatest, sum);
        ++block;
      }
    }
    S::store(g.lanes + row * 16, sum);
  }
}

template <class S>
static inline void score_weights(const ScoresArgs& g) {
  g.coarse ? weigh_rows<S, true>(g) : weigh_rows<S, false>(g);
}

}  // namespace lowbit::kernels

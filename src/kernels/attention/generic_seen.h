// Which scores a row sees.
#pragma once

#include "kernels/attention/args.h"

namespace lowbit::kernels {

// What row `row` sees: columns [first, end) of the scores, and the blocks that hold them.
struct Seen {
  int64_t first, end, begin_block, end_block;
};

static inline Seen seen_by(const ScoresArgs& g, int64_t row) {
  const int64_t first = g.first[row] > g.origin ? g.first[row] - g.origin : 0;
  const int64_t most = g.blocks * 16, seen_end = g.end[row] > g.origin ? g.end[row] - g.origin : 0;
  const int64_t end = seen_end < most ? seen_end : most;
  return {first, end, first / 16, (end + 15) / 16};
}

// Lanes of a block that the row does not see become `other`.
template <class S>
static inline typename S::Float seen_lanes(typename S::Float v, int64_t block, const Seen& seen, float other) {
  const int64_t at = block * 16;
  if (at >= seen.first && at + 16 <= seen.end) return v;
  alignas(64) float lane[16];
  S::store(lane, v);
  for (int64_t i = 0; i < 16; ++i) {
    if (at + i < seen.first || at + i >= seen.end) lane[i] = other;
  }
  return S::load(lane);
}

}  // namespace lowbit::kernels

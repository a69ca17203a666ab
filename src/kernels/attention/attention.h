// The parts of attention, dispatched by ISA; bit-equal on all of them (numeric class: consistent). Single-threaded.
#pragma once

#include "base/cpu.h"
#include "kernels/attention/args.h"

namespace lowbit::kernels {

constexpr int64_t kRowTile = 12;  // rows that products take best at a time
constexpr int64_t kFewRows = 8;   // so many rows meet codes best as they are

// y = float(value of the code) * scale, rounded once; a number of scale 0 is some zero.
void widen_tiles(Isa isa, const TilesArgs& args);

// Every output is one chain acc = fma(A[r][p], B[p][j], acc), p ascending from begin, from +0 or from C[r][j].
void panels(Isa isa, const PanelsArgs& args);

// First pass of a softmax: score = score * scale, or cap * tanh(that / cap) where cap > 0, if shaped_first(); lanes =
// the greater of themselves and the scores seen (NaN is passed over). Blocks that a row does not see are left alone.
void score_maxima(Isa isa, const ScoresArgs& args);

// Second pass: score = exp(score - greatest), the score scaled now if it was not, where seen, and 0 elsewhere up to
// the end of the last block seen; lanes += them, positions ascending.
void score_weights(Isa isa, const ScoresArgs& args);

}  // namespace lowbit::kernels

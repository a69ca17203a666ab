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
// the end of the last block seen; lanes += them, positions ascending. Coarse: score = 2^fma(score, float(scale * log2
// e), -float(greatest * log2 e)) by arith::coarse_exp2, scale 1 if it was scaled.
void score_weights(Isa isa, const ScoresArgs& args);

// ---- integers: codes of whole numbers of 4 or 8 bits whose groups are one, or multiples of 16 columns ----

// score = chain over the groups of keys, ascending from +0: acc = fma(float(sum), scale of the key * scale of the
// query, acc), sum the exact sum of the products of codes.
void code_scores(Isa isa, const CodeScoresArgs& args);

// Of the positions of a chunk that a row sees let p be the greatest weight, at least 2^-100, and m the greatest scale
// of a group: the code of a weight w of scale s is w * (255 / p) * (s * (1 / m)), each step rounded, to the nearest
// even whole number (NaN: 0), and their scale is p * float(1 / 255) * m. What is not seen has code 0.
void value_ratios(Isa isa, const ValueRatiosArgs& args);
void weight_codes(Isa isa, const WeightCodesArgs& args);

// out = chain over chunks, ascending from +0 or from out: acc = fma(float(sum), scale of the weights, acc).
void code_mix(Isa isa, const CodeMixArgs& args);

}  // namespace lowbit::kernels

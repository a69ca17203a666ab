// What plans must know of the kernels of an ISA.
#pragma once

#include "kernels/matmul/args.h"

namespace lowbit::kernels {

template <class S>
static inline void traits(const TraitsArgs& g) {
  *g.out = {.row_tile = S::kRowTile,
            .token_tile = S::kTokenTile,
            .span_tile = S::kSpanTile,
            .few_tile = S::kFewTile,
            .float_tile = S::kFloatTile,
            .float_few = S::kFloatFew,
            .float_few_codes = S::kFloatFewCodes,
            .plane_room = S::kPlaneRoom,
            .dot_max = S::kDotMax,
            .word_sums = S::kWordSums,
            .entries_in_place = S::kEntriesInPlace};
}

}  // namespace lowbit::kernels

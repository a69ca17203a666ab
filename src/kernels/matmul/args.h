// Arguments of the matrix product's inner stages: plain values only, so that ISA files may include them.
#pragma once

#include <cstdint>

#include "simd/small_float.h"

// Of the kernels beside: what a register holds only stays there where nothing is called.
#define LOWBIT_INLINE __attribute__((always_inline))
// Of a tile with more values than registers, a function of its own: its vectors on the stack lie in cache lines of
// their own. Clang aligns those of other functions to 16 bytes, so that most of them lie across two lines.
#if defined(__x86_64__)
#define LOWBIT_STACKED __attribute__((noinline, force_align_arg_pointer))
#else
#define LOWBIT_STACKED __attribute__((noinline))
#endif

namespace lowbit::kernels {

// Of the kernels of an ISA, what plans of products must know: constants of its Simd (simd/portable.h).
struct MatmulTraits {
  int64_t row_tile, token_tile, span_tile, few_tile, float_tile, float_few, float_few_codes;
  int plane_room, dot_max;
  bool word_sums, entries_in_place;
};
struct TraitsArgs {
  MatmulTraits* out;
};

// How a code of at most 8 bits becomes the u8 that dot products take: integer(code) - least. Exclusive or with 0 or
// the upper bit of codes alone, which kernels may make two cases of.
enum class CodeMap : uint8_t { exclusive_or, lookup16, lookup64, lookup256, as_it_is, upper_flipped };

// Where `bits` stands for how codes are stored: three values, five to a byte (kTrits of tensor/planes.h). 40 units, 5
// steps, are then 8 vectors.
constexpr int kTrits = 9;
constexpr int kTritSteps = 5;
constexpr int64_t kTritBytes = 512;

// Unpacks the codes of one row block: `steps` steps of 8 units (tensor/packed.h) into u8[steps * 8][64].
struct UnpackArgs {
  const uint8_t* packed;  // of a row block
  int64_t first, steps;
  int bits;
  CodeMap map;
  uint8_t flip;          // exclusive_or: the pattern
  const uint8_t* table;  // lookups: 16, 64 or 256 entries
  uint8_t* panel;
};

// Entries of scales, minima or zero points (tensor/packed.h) as fp32 [groups][16], one pass for each level: written,
// or multiplied onto what the levels inside gave, or two levels at once; then * factor * unit, each product rounded.
enum class EntryKind : uint8_t { constant, f32, f16, bf16, code, signed_code, table8, table16 };
struct EntryArgs {
  const uint8_t* in;  // entries of 16 rows each
  EntryKind kind;     // constant: 1, nothing is read; code: the code itself, of at most 8 bits; signed_code: in two's
                      // complement, of 8 bits; tables: by code
  int bits;
  const float* table;
  const uint8_t* halves;  // code, table8: [2][256], the lower and upper bytes of the values' upper halves, where the
                          // lower halves are 0; else null
  const simd::SmallFloat* small;  // table8: the same by arithmetic; or null
  int64_t ahead;                  // bytes from here: where the next row block has the same entries, asked for
  int64_t groups;                 // written
  int64_t span;                   // groups that share an entry
  bool multiply;
  float factor, unit;
  float* out;
  // The entries of the level outside, f16, where one pass takes both; null: it does not.
  const uint8_t* outer;
  int64_t outer_span, outer_ahead;
};

// How far ahead of what is read packed weights are asked for, in bytes: for the first-level cache, and before that
// for the second (generic_unpack.h; 0: not).
struct AskedAhead {
  int64_t near, far;
  bool in_streams;  // what is far does not lie `far` ahead, but in turn in several pages
};

// A stretch of units in which neither scale changes.
struct DotStretch {
  int32_t begin_unit, end_unit;
  int32_t weight_group, activation_group;
  bool ends_span;  // matmul.h

  bool operator==(const DotStretch&) const = default;
};

// What activations bring to their stretches, one entry for each token and stretch.
struct StretchSums {
  const float* scales;    // of the activations
  const int32_t* sums;    // sum(s8); where offsets are paired, pair_of_sum of it; null: not wanted
  const int32_t* starts;  // a constant of the element times that sum
  const float* totals;    // where a span ends: the chain of float(sum(s8)) and scales; null where there are no minima

  // From an entry on.
  StretchSums from(int64_t entry) const {
    return {scales + entry, sums == nullptr ? nullptr : sums + entry, starts + entry,
            totals == nullptr ? nullptr : totals + entry};
  }
};

// A zero point times a sum of activations as two products of 16 bits, for |sum| < 2^22 - 64: one instruction with the
// addition, where a product of 32 bits takes two slow ones.
constexpr int64_t kPairedSums = (int64_t{1} << 22) - 64;
constexpr int32_t pair_of_offset(int32_t offset) { return (offset & 0xffff) | (offset * 128) << 16; }
constexpr int32_t pair_of_sum(int32_t sum) {
  const int32_t high = (sum + 64) >> 7;
  return ((sum - 128 * high) & 0xffff) | high << 16;
}

// Tokens are taken in tiles of nearly equal size of at most `most`, the larger ones first.
static constexpr int64_t tiles_of(int64_t tokens, int64_t most) { return (tokens + most - 1) / most; }
struct TileOfTokens {
  int64_t first, size;
};
static constexpr TileOfTokens tile_at(int64_t tokens, int64_t tiles, int64_t tile) {
  const int64_t size = tokens / tiles, larger = tokens % tiles;
  return tile < larger ? TileOfTokens{tile * (size + 1), size + 1} : TileOfTokens{tile * size + larger, size};
}

// Calls visit(first token, tokens) for each.
template <class Visit>
static inline void for_each_tile(int64_t tokens, int64_t most, const Visit& visit) {
  const int64_t tiles = tiles_of(tokens, most);
  for (int64_t i = 0; i < tiles; ++i) {
    const TileOfTokens tile = tile_at(tokens, tiles, i);
    visit(tile.first, tile.size);
  }
}

// Whether `fused` reads floats of 8 bits beside codes of so many bits: planes of three widths leave no registers for
// it.
constexpr bool bytes_in_place(int bits) { return bits % 2 == 0 || bits == 1 || bits == kTrits; }

// Scales and minima of one row block where they lie in the weight, [weight group][16], for `fused` alone: the first
// that is not null says of which kind (generic_scales.h).
struct EntriesInPlace {
  // Whole numbers of `bits` bits times f16 of `span` groups, a multiple of 4, for a multiple of 4 groups: scales,
  // minima; and how far, in bytes and numbers, the next row block's lie.
  const uint8_t* coded[2];
  const uint16_t* outer[2];
  int bits;
  int64_t span, coded_ahead, outer_ahead;
  const uint16_t* half_minimums;  // f16, scales in `halves`
  const uint16_t* halves;         // f16, times `unit`
  float unit;
  const uint8_t* bytes;  // floats of 8 bits, as `small` has them
  simd::SmallFloat small;
};

// What `fused` keeps in memory of a register tile at most.
constexpr int64_t kTileResults = 16 * 4;

// What ends a stretch: for each output
//   sum = sum(u8 * s8) + start + offset[weight group] * sum(s8)     exact
//   inner = fma(float(sum), activation scale, inner)                from +0 where a span begins
// and a span:
//   acc = fma(weight scale, inner, acc)
//   acc = fma(minimum, total, acc)                                  where there are minima
struct StretchArgs {
  const DotStretch* stretches;  // ascending
  int64_t stretch_count;
  bool long_spans;         // some have several stretches
  const float* scales;     // [row blocks][weight groups][16]
  const int32_t* offsets;  // likewise; null: all 0
  bool paired;             // offsets are pair_of_offset of them
  const float* minimums;   // likewise, or null
  int64_t group_step;      // entries of a row block: weight groups * 16
  StretchSums activations;
  EntriesInPlace in_place;
  float* results;  // room for kTileResults
};

// Integer products of `units` units of some row blocks, unpacked, with `tokens` rows of activations. These lie by
// tiles of for_each_tile(tokens, kTokenTile), kSpanTile where a span has several stretches: codes [tile][unit][token
// of the tile][4], entries of stretches [tile][stretch][token of the tile].
struct DotArgs {
  StretchArgs stretch;  // those of the units
  const uint8_t* panels;
  int64_t first_unit, units;  // of the row
  int64_t blocks;
  bool signed_codes;  // the panel's largest code is beyond the ISA's dot(): use code - 128 (starts account for it)
  int64_t tokens;
  const int8_t* codes;
  int64_t plane;       // 0: a code of an activation is one byte; else 128 * (the byte `plane` behind) + byte
  int64_t word_units;  // units whose products fit sums of 16 bits: 4 or a multiple of 8; 0: not wanted
  const float* sums;   // of the stretches before, [tokens][sums_stride], 16 for each block; null: none
  int64_t sums_stride;
  float* out;  // likewise
  int64_t out_stride;
  const uint8_t* ahead;  // `ahead_bytes` that will be wanted next, and as many `ahead_step` behind; null: nothing
  int64_t ahead_bytes, ahead_step;
};

// A pane is what a tile register of AMX holds: 16 rows of a weight (a row block) or of tokens, 1 << shift units of
// columns, that is 64 of them or, of short stretches, 32. What lies behind a row's last column is zero in panes of
// tokens, and may be anything in those of weights.
constexpr int kPaneShift = 4, kShortPaneShift = 3;
constexpr int64_t kPaneTokens = 16;
// Panes of the row, whose borders are where a row's columns begin, that a stretch has a part of.
static constexpr int64_t first_pane(const DotStretch& s, int shift) { return s.begin_unit >> shift; }
static constexpr int64_t panes_of(const DotStretch& s, int shift) {
  return ((s.end_unit - 1) >> shift) + 1 - first_pane(s, shift);
}

// As DotArgs, of panes, which are panels of bytes that are the weight's integers, `step` from those of one row block
// to the next. Codes of activations lie by tiles of for_each_tile(tokens, kPaneTokens): [tile][pane][token of the
// tile][columns of a pane]; entries likewise, with kPaneTokens readable behind the last, no starts. All stretches but
// the last have as many panes.
struct PaneDotArgs {
  StretchArgs stretch;  // of the first row block
  const uint8_t* panes;
  int64_t blocks, step;
  bool signed_weights;  // bytes of panes are s8, else u8
  int pane_shift;
  int64_t tokens;
  const int8_t* codes;
  const float* sums;  // of the stretches before: [tile][row block][token of the tile][16]; null: none
  float* kept;        // where sums go to, likewise; null: to out
  float* out;         // [token][out_stride], 16 for each row block
  int64_t out_stride;
  const uint8_t* ahead;  // `ahead_bytes` of each row block that will be wanted next; null: nothing
  int64_t ahead_bytes, ahead_step;
};

// The same of row blocks, one after the other, straight from their packed codes, for stretches of 16 columns or
// multiples of 32, and maps of at most 64 entries (trits: stretches of whole steps and no map). Tokens of `fused`, at
// most kFusedTokens, lie by rows: codes [token][code_stride], entries [token][stretch]. Those of `few`, at least half
// of kFewTile, lie by tiles of it as in DotArgs. All stretches but the last have `stretch_units` units.
constexpr int64_t kFusedTokens = 4;
struct FusedArgs {
  StretchArgs stretch;  // of the first row block
  const uint8_t* packed;
  int64_t blocks, block_bytes;
  int bits;
  const uint8_t* codes_begin;  // those of the weight's first row block
  AskedAhead ahead;
  bool by_shifts;  // how `few` takes fields of codes (ShiftingSimd)
  CodeMap map;
  uint8_t flip;
  const uint8_t* table;
  bool signed_codes;
  int64_t stretch_units;
  int64_t tokens;
  const int8_t* codes;
  int64_t code_stride;  // bytes of a token
  int64_t plane;        // as in DotArgs
  int64_t word_units;   // likewise
  float* out;           // 16 for each row block
  int64_t out_stride;
};

// sum(s8) over each of `count` stretches of units, for each token; exact.
struct SumArgs {
  const DotStretch* stretches;
  int64_t stretch_count;
  int64_t tokens;
  const int8_t* codes;
  int64_t code_stride;
  int64_t plane;
  int32_t* sums;  // [tokens][stretch_count]
};

// `count` words of 32 bits of each of some rows, word by word: out [count][rows].
struct InterleaveArgs {
  const void* in;
  int64_t stride;  // bytes from one row to the next
  int64_t rows, count;
  void* out;
};

// sum(s8) over stretches for all tokens of a tile, at most 16, whose codes lie [unit][token][4]; exact.
struct TileSumArgs {
  const DotStretch* stretches;
  int64_t stretch_count;
  int64_t first_unit, units;  // of those in `codes`
  int64_t tokens;
  const int8_t* codes;
  int32_t* sums;  // [stretch][token]
};

// How a weight's code c of 1 or 2 bits is the constant of its code 0 and a sum of planes, each times a factor.
// one: the bit. two: the low bit, the high bit. ternary: their or, and the high bit without the low one.
enum class PlaneForm : uint8_t { one, two, ternary };
constexpr int weight_planes(PlaneForm form) { return form == PlaneForm::one ? 1 : 2; }

// Pairs of a plane of a weight and one of activations that the kernel `planes` takes.
constexpr int kMostPlanePairs = 4;
// Tokens of its tile, by the registers for counts, sums and results (kPlaneRoom of the ISA).
constexpr int plane_tile_tokens(int room, int pairs) { return room < pairs + 2 ? 1 : room / (pairs + 2); }

// Where the bit of a unit lies in a byte of its step's plane.
constexpr int place_of_unit(PlaneForm form, int unit) {
  return form == PlaneForm::one ? unit : unit < 4 ? 2 * unit : 2 * (unit - 4) + 1;
}

// One token's codes as planes (see below): 4 bytes for each step and plane, `stride` bytes apart.
struct PackPlanesArgs {
  const int8_t* codes;
  int64_t steps;
  PlaneForm form;
  int planes;
  bool binary;
  int8_t* out;
  int64_t stride;
};

// One row block of codes of 1 or 2 bits, with activations as planes: their two's complement, or a single plane that
// is set where a binary activation is 1. Bit `place` of byte c belongs to column c of the unit at that place; zero
// beyond the row. They lie by tiles of for_each_tile(tokens, plane_tile_tokens()): codes
// [tile][step of the row][plane][token of the tile][4], entries of stretches [tile][stretch][token of the tile].
// Stretches begin at steps.
//   sum = start + sum over pairs of factor * (ones of both planes; of binary activations those that differ)
struct PlanesArgs {
  StretchArgs stretch;
  const uint8_t* packed;
  PlaneForm form;
  int planes;                       // of activations
  int8_t factors[kMostPlanePairs];  // of pairs: [plane of activations][plane of the weight]
  int64_t row_steps;
  int64_t tokens;
  const int8_t* codes;
  float* out;
  int64_t out_stride;
  int64_t ahead;  // AskedAhead::near
};

// ---- floating arithmetic ----

// How the weights of some row blocks become fp32: words of 16 or 32 bits, or codes of at most 8 bits through a table.
enum class FloatKind : uint8_t {
  f32,
  f16,
  bf16,
  words,   // 16 bits: a table of 65536 values
  values,  // codes: a table of 16 values, or 256 where they have more than 4 bits
  halves,  // codes of 5 to 8 bits whose values fill the upper half of a float: tables of its two bytes
};
struct FloatWeights {
  FloatKind kind;
  int bits;
  bool signed_halves;     // 8 bits, halves: codes from 128 on differ from those below by the sign alone, NaN apart
  const float* table;     // words, values, and halves where an ISA has no use for them
  const uint8_t* halves;  // [2][256]: lower bytes, upper bytes
  const simd::SmallFloat* small;  // of 6 or 8 bits: the same by arithmetic; or null
  const uint8_t* packed;          // of the first row block
  int64_t block_bytes;            // of a row block
  int64_t cols, group;            // columns of a row and of a scale
  // fma(value, scale, minimum), value * scale, or (value - zero) * scale; each [row blocks][groups][16], or null.
  const float *scales, *minimums, *zeros;
  int64_t group_step;  // entries of a row block: groups * 16
};

// Columns [first, first + depth) of each of `blocks` row blocks as fp32, [row block][panel_step],
// [column][16]. `first` is a multiple of 32, with trits of 160; of codes, columns up to the next multiple are
// written.
struct FloatPanelArgs {
  FloatWeights weights;
  int64_t blocks, first, depth;
  float* panels;
  int64_t panel_step;
};

// out = in + panels * x, columns ascending. x lies by tiles of for_each_tile(tokens, kFloatTile):
// [tile][column][token of the tile].
struct FloatTileArgs {
  const float* panels;  // [row block][panel_step], [column][16]
  int64_t panel_step;
  int64_t blocks, depth, tokens;
  const float* x;
  const float* in;  // [token][in_stride], 16 for each row block; null: zeros
  int64_t in_stride;
  float* out;
  int64_t out_stride;
  const uint8_t* ahead;  // asked for meanwhile: ahead_bytes of each row block, ahead_step from one to the next
  int64_t ahead_bytes, ahead_step;
};

// The same for few tokens straight from packed weights: plain f32, f16 and bf16, or codes with scales alone whose
// columns and groups are multiples of 32: of 4 bits, on AVX-512 of 8 (`halves`, signed), elsewhere of 6 and 8
// (`small`).
struct FloatFewArgs {
  FloatWeights weights;
  int64_t blocks, tokens;
  const float* x;  // [token][x_stride]
  int64_t x_stride;
  float* out;  // [token][out_stride]
  int64_t out_stride;
};

}  // namespace lowbit::kernels

// Arguments of the parts of attention: plain values only, so that ISA files may include them.
#pragma once

#include <cstdint>

namespace lowbit::kernels {

enum class ScaleKind : uint8_t { none, f16, bf16, f32 };  // of numbers in memory

// Codes as fp32 numbers. A block is 16 positions: `tiles` tiles of 16 rows of 16 codes each. With keys, rows are
// columns of the head and lanes are positions; with values, rows are positions and lanes are columns. Either way
// there is a scale for each position and `group` columns, [blocks][groups][16 positions].
// Bytes of a tile: 4 rows side by side in 64 bytes (byte 4 * lane + row % 4); with 4 bits 8 rows, the later 4 in the
// high halves.
struct TilesArgs {
  int64_t blocks;
  int64_t first_tile, tiles;  // those wanted of a block
  int64_t pitch;              // tiles that a block has in memory
  bool keys;
  int bits;              // 4 or 8; 16: words in natural order, of the kind that `words` says, without scales
  const uint8_t* codes;  // [blocks][pitch][256 * bits / 8], from the first tile wanted on
  const float* table;    // values by code, 16 or 256; null: code - 8 or code - 128
  const uint8_t* upper;  // of 8 bits: bytes 2 of the 256 values, then bytes 3, where the others are 0; or null
  ScaleKind words;
  ScaleKind scale_kind;
  const void* scales;
  int64_t group, groups;
  float* y;  // [blocks][tiles][16 rows][16 lanes]
};

// A matrix in blocks of 16 columns: element (r, j) lies at [j / 16][r][j % 16], and a block has `pitch` rows.
// C = A * B over reduction indices [begin, end), or C += where not fresh, for `rows` rows and `panels` blocks of C.
// Index p of panel j of B: 16 numbers at b + p / 16 * b_block + j * b_panel + p % 16 * 16. Or B is given as codes:
// panels are blocks of keys, or tiles of values; they go through the `y` of the codes where it must be.
struct PanelsArgs {
  int64_t rows, panels, begin, end;
  int64_t pitch;  // of A and C
  const float* a;
  const float* b;
  int64_t b_block, b_panel;
  float* c;
  bool fresh;
  const TilesArgs* codes;  // or null
};

// Whether scores are scaled and capped in the first pass. Scaling alone keeps their order, so that it can wait for
// the second one; then the lanes of the first are of scores that are not yet scaled.
static inline bool shaped_first(float scale, float cap) { return cap > 0.0f || !(scale > 0.0f); }

// Scores of `rows` rows as a matrix in blocks; the first column is position `origin`, a multiple of 16. Row r sees
// positions [first[r], end[r]); both may lie outside of the blocks.
struct ScoresArgs {
  int64_t rows, pitch, blocks, origin;
  float* scores;
  const int64_t* first;
  const int64_t* end;
  float scale, cap;
  bool coarse;            // score_weights: weights are to be codes of 8 bits
  const float* greatest;  // [rows], scaled and capped: score_weights
  float* lanes;           // [rows][16], by position mod 16: greatest scores so far, or sums of weights so far
};

// ---- integers: queries as int8 and weights as uint8 against codes of whole numbers ----

// Positions that share a scale of weights: those of a chunk of four blocks, from a multiple of four of the sequence
// on. The first block of a sequence is a chunk of its own: models look at its first position more than at all others,
// whose weights would become 0 beside it.
constexpr int64_t kChunkBlocks = 4;
constexpr int64_t kChunkPositions = 16 * kChunkBlocks;
struct Chunks {
  int64_t blocks;
  bool from_start;  // of the sequence

  constexpr int64_t first_block(int64_t chunk) const {
    return !from_start ? kChunkBlocks * chunk : chunk < 2 ? chunk : kChunkBlocks * (chunk - 1);
  }
  constexpr int64_t end_block(int64_t chunk) const {
    return first_block(chunk + 1) < blocks ? first_block(chunk + 1) : blocks;
  }
  constexpr int64_t count() const {
    return (blocks + kChunkBlocks - 1) / kChunkBlocks + (from_start && blocks > 1 ? 1 : 0);
  }
};

constexpr int64_t kMostCodeGroups = 32;
constexpr float kMostWeight = 255.0f;  // code of the greatest weight

// Queries: codes [tile of 16 columns][pitch][16], zero beyond the head; scales and starts [group of the keys][pitch],
// starts the sum of the codes of the group times -2^(bits - 1), which is what a key's byte has too much.
// scores: [block][pitch][16].
struct CodeScoresArgs {
  int64_t rows, pitch;
  TilesArgs keys;
  const int8_t* queries;
  const float* scales;
  const int32_t* starts;
  float* scores;
};

// Scales of groups [first_group, first_group + group_count) of `values` in each chunk times the inverse of the
// greatest of them, [chunk][group][64], and that one, [chunk][group]: where a row sees the whole chunk.
struct ValueRatiosArgs {
  TilesArgs values;
  bool from_start;  // Chunks
  int64_t first_group, group_count;
  float *ratios, *greatest;
};

// Weights of `blocks` blocks, as ScoresArgs has scores and what a row sees; times the scales of groups
// [first_group, first_group + group_count) of `values` (its first block is that of the weights) as codes
// [group][chunk][rows][64] and scales [group][chunk][rows].
struct WeightCodesArgs {
  int64_t rows, pitch;
  const float* weights;
  const int64_t* first;
  const int64_t* end;
  int64_t origin;  // position of the first block
  TilesArgs values;
  bool from_start;
  int64_t first_group, group_count;
  const float *ratios, *greatest;  // of the values
  uint8_t* codes;
  float* scales;
};

// out [tile][pitch][16] = (fresh), or +=, weights * values for all tiles of `values`; codes and scales of weights
// as above, from the group of the first tile on.
struct CodeMixArgs {
  int64_t rows, pitch;
  TilesArgs values;
  bool from_start;
  const uint8_t* codes;
  const float* scales;
  float* out;
  bool fresh;
};

}  // namespace lowbit::kernels

// Some tokens of a sequence and the query heads of one kv head: rows that share keys and values, and the stages of
// their attention. All matrices are in blocks of 16 columns (kernels/attention).
#pragma once

#include "base/bits.h"
#include "exec/kv_store.h"
#include "exec/room.h"
#include "graph/graph.h"
#include "kernels/attention/attention.h"

namespace lowbit::exec {

constexpr int64_t kChunk = 8;  // blocks of 16 positions widened at a time: they stay near; whole chunks of weights

// What one task computes with. Matrices have a row for each token and query head.
struct AttentionWork {
  float* q;           // [blocks of columns][rows][16]
  int8_t* q_codes;    // integer: likewise
  float* q_scales;    // [groups of keys][rows]
  int32_t* q_starts;  // likewise: kernels::CodeScoresArgs
  float* scores;      // [blocks of positions][rows][16], from base() on
  float* out;         // [blocks of columns][rows][16]
  float* maxima;      // [parts][rows][16]
  float* sums;        // [rows][16]
  float* greatest;    // [rows]
};

struct AttentionTask {
  const graph::Attention* a;
  KvStore* store;
  Isa isa;
  const float* q;      // row of the first token of the tile
  const float *k, *v;  // likewise, all kv heads
  float* out;
  bool is_alone;     // has all tokens of its sequence in this pass
  int64_t tokens;    // in the tile
  int64_t position;  // of the first
  int64_t length;    // of the sequence, with the tokens of this pass
  int64_t kv_head;
  const int64_t* first;  // [rows]: positions that a row sees, from base() on; both ascend
  const int64_t* end;
  AttentionWork w;

  int64_t group() const { return a->heads / a->kv_heads; }
  int64_t rows() const { return tokens * group(); }
  // The scores of a tile begin at this position, where a chunk begins: what lies before it, no token of the tile
  // sees.
  int64_t base() const { return a->first_key(position) / kernels::kChunkPositions * kernels::kChunkPositions; }
  int64_t blocks() const { return ceil_div(a->end_key(position + tokens - 1, length) - base(), 16); }
  bool integer() const { return a->integer; }
  int64_t panels() const { return store->padded_dim() / 16; }
};

// The rows [row, row + count) of a task and what they see of blocks [begin, end).
struct RowTile {
  int64_t row, count;
  int64_t begin, end;
};

// Calls body with each tile of rows that sees something of blocks [begin, end).
template <class Body>
void over_row_tiles(const AttentionTask& t, int64_t begin, int64_t end, const Body& body) {
  for (int64_t row = 0; row < t.rows(); row += kernels::kRowTile) {
    const int64_t count = std::min(kernels::kRowTile, t.rows() - row);
    const int64_t from = std::max(begin, t.first[row] / 16);
    const int64_t to = std::min(end, ceil_div(t.end[row + count - 1], 16));
    if (from < to) body(RowTile{row, count, from, to});
  }
}

// Bytes of what a task computes with, with the maxima of `parts` parts; and they, laid out from `at` on.
int64_t work_bytes(const AttentionTask& t, int64_t parts);
AttentionWork work_at(const AttentionTask& t, int64_t parts, std::byte* at);

// The queries as matrices of the task.
void pack_queries(const AttentionTask& t);

// Scores of blocks [begin, end), and the greatest of each row by lanes, [rows][16].
void score(const AttentionTask& t, int64_t begin, int64_t end, float* maxima);

// The greatest score of a row from the maxima of all parts; its sums are set to 0.
void find_greatest(const AttentionTask& t, int64_t row, int64_t parts);

// Weights of rows from their scores, and their sums by lanes.
void weigh(const AttentionTask& t, const RowTile& tile);

// The output over the sums of the weights, to where it belongs.
void finish(const AttentionTask& t);

// ---- what the stages are made of ----

// Keys or values as products take them: few rows meet codes as they are, for more these are made fp32 once.
KvStore::Tiles factor(const AttentionTask& t, bool key, const KvStore::Range& range);
// Integer: the scale groups of some values, from `block` on, and what weights are multiplied by there
// (kernels::ValueRatiosArgs). Lives until this thread's next.
struct ValueRatios {
  int64_t first_group = 0, groups = 0;
  const float *ratios = nullptr, *greatest = nullptr;
};
ValueRatios value_ratios(const AttentionTask& t, int64_t block, const KvStore::Tiles& values);
// out += weights * values over blocks [block, block + values.blocks), whose values are given, for panels [begin,
// end).
void mix(const AttentionTask& t, const RowTile& tile, int64_t block, const KvStore::Tiles& values,
         const ValueRatios& ratios, int64_t begin, int64_t end);

// Some blocks of tiles: from the block `skip` on, `blocks` of them.
kernels::TilesArgs some_blocks(kernels::TilesArgs tiles, int64_t skip, int64_t blocks);

// The same of integers (attention_codes.cc).
void pack_query_codes(const AttentionTask& t);
void score_codes(const AttentionTask& t, const RowTile& tile, const kernels::TilesArgs& keys, float* scores);
void mix_codes(const AttentionTask& t, const RowTile& tile, int64_t block, const KvStore::Tiles& values,
               const ValueRatios& ratios);

// Panels [begin, end) of the output, by blocks of positions; before(tile) is called for each tile of rows that sees
// some of them.
template <class Before>
void mix_all(const AttentionTask& t, int64_t begin, int64_t end, const Before& before) {
  for (int64_t block = 0; block < t.blocks(); block += kChunk) {
    const int64_t count = std::min(kChunk, t.blocks() - block);
    const KvStore::Tiles values = factor(t, false, {t.base() / 16 + block, count, begin, end - begin});
    const ValueRatios ratios = t.integer() ? value_ratios(t, block, values) : ValueRatios();
    over_row_tiles(t, block, block + count, [&](const RowTile& tile) {
      before(tile);
      mix(t, tile, block, values, ratios, begin, end);
    });
  }
}

}  // namespace lowbit::exec

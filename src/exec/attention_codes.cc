// Attention over a cache of integers: queries as int8, weights as uint8.
#include <algorithm>
#include <cstring>

#include "exec/attention_task.h"
#include "formats/format.h"
#include "kernels/rows/rows.h"
#include "tensor/cast.h"

namespace lowbit::exec {
namespace {

// Codes of one row of queries, [padded_dim], and their scales to where they belong.
void place_query(const AttentionTask& t, int64_t r, const int8_t* codes, const float* scales) {
  const int64_t dim = t.a->dim, rows = t.rows(), group = t.store->group();
  for (int64_t d = 0; d < t.store->padded_dim(); d += 16) {
    std::memcpy(t.w.q_codes + d * rows + r * 16, codes + d, 16);
  }
  for (int64_t g = 0; g < t.store->groups(); ++g) {
    int32_t sum = 0;
    for (int64_t d = g * group; d < std::min(dim, (g + 1) * group); ++d) sum += codes[d];
    t.w.q_scales[g * rows + r] = scales[g];
    t.w.q_starts[g * rows + r] = -sum * (1 << (t.store->code_bits() - 1));
  }
}

}  // namespace

void pack_query_codes(const AttentionTask& t) {
  static thread_local Room room;
  const int64_t dim = t.a->dim, padded = t.store->padded_dim(), heads = t.group(), groups = t.store->groups();
  auto* scales = reinterpret_cast<float*>(room.bytes(heads * (padded + 4 * groups)));
  auto* codes = reinterpret_cast<int8_t*>(scales + heads * groups);
  for (int64_t token = 0; token < t.tokens; ++token) {
    const float* q = t.q + (token * t.a->heads + t.kv_head * heads) * dim;  // the heads of a token lie together
    kernels::quantize(t.isa, {heads, dim, t.store->group(), q, 127, nullptr, nullptr, codes, padded, scales, 0});
    for (int64_t h = 0; h < heads; ++h) place_query(t, token * heads + h, codes + h * padded, scales + h * groups);
  }
}

void score_codes(const AttentionTask& t, const RowTile& tile, const kernels::TilesArgs& keys, float* scores) {
  kernels::code_scores(t.isa, {tile.count, t.rows(), keys, t.w.q_codes + tile.row * 16, t.w.q_scales + tile.row,
                               t.w.q_starts + tile.row, scores});
}

ValueRatios value_ratios(const AttentionTask& t, int64_t block, const KvStore::Tiles& values) {
  static thread_local Room room;
  const kernels::TilesArgs& v = values.codes;
  const int64_t width = t.store->group(), first = v.first_tile * 16 / width;
  const int64_t groups = std::min(ceil_div((v.first_tile + v.tiles) * 16, width), t.store->groups()) - first;
  const bool from_start = t.base() + block == 0;
  const int64_t entries = groups * kernels::Chunks{v.blocks, from_start}.count();
  float* ratios = room.floats(entries * (kernels::kChunkPositions + 1));
  float* greatest = ratios + entries * kernels::kChunkPositions;
  kernels::value_ratios(t.isa, {v, from_start, first, groups, ratios, greatest});
  return {first, groups, ratios, greatest};
}

void mix_codes(const AttentionTask& t, const RowTile& tile, int64_t block, const KvStore::Tiles& values,
               const ValueRatios& ratios) {
  static thread_local Room room;
  // From where a chunk begins: of what a row does not see the weights are 0.
  const int64_t begin = tile.begin / kernels::kChunkBlocks * kernels::kChunkBlocks, end = tile.end, rows = t.rows();
  const kernels::TilesArgs codes = some_blocks(values.codes, begin - block, end - begin);
  const bool from_start = t.base() + begin == 0;
  const int64_t entries = ratios.groups * kernels::Chunks{end - begin, from_start}.count() * tile.count;
  auto* scales = room.floats(entries + entries * kernels::kChunkPositions / 4);
  auto* weights = reinterpret_cast<uint8_t*>(scales + entries);
  const int64_t skipped = kernels::Chunks{begin - block, t.base() + block == 0}.count() * ratios.groups;
  kernels::weight_codes(
      t.isa, {tile.count, rows, t.w.scores + (begin * rows + tile.row) * 16, t.first + tile.row, t.end + tile.row,
              begin * 16, codes, from_start, ratios.first_group, ratios.groups,
              ratios.ratios + skipped * kernels::kChunkPositions, ratios.greatest + skipped, weights, scales});
  // The first chunk that a tile of rows sees begins its chains.
  const bool fresh = t.first[tile.row] / 16 >= block;
  kernels::code_mix(t.isa, {tile.count, rows, codes, from_start, weights, scales,
                            t.w.out + (codes.first_tile * rows + tile.row) * 16, fresh});
}

}  // namespace lowbit::exec

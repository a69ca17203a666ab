#include "exec/attention_task.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace lowbit::exec {
namespace {

kernels::ScoresArgs scores_of(const AttentionTask& t, const RowTile& tile) {
  float* scores = t.w.scores + (tile.begin * t.rows() + tile.row) * 16;
  return {tile.count,   t.rows(),           tile.end - tile.begin,   tile.begin * 16,
          scores,       t.first + tile.row, t.end + tile.row,        t.a->scale,
          t.a->softcap, t.integer(),        t.w.greatest + tile.row, nullptr};
}

// Takes arrays one after the other from a range of bytes, or only counts them.
struct Carver {
  std::byte* base;
  int64_t used = 0;

  template <class T>
  T* take(int64_t count) {
    T* at = base == nullptr ? nullptr : reinterpret_cast<T*>(base + used);
    used += round_up(count * static_cast<int64_t>(sizeof(T)), 64);
    return at;
  }
};

AttentionWork carve(const AttentionTask& t, int64_t parts, Carver& from) {
  const int64_t rows = t.rows(), square = t.store->padded_dim() * rows;
  const int64_t groups = t.integer() ? t.store->groups() : 0;
  AttentionWork w;
  w.q = from.take<float>(t.integer() ? 0 : square);
  w.q_codes = from.take<int8_t>(t.integer() ? square : 0);
  w.q_scales = from.take<float>(groups * rows);
  w.q_starts = from.take<int32_t>(groups * rows);
  w.scores = from.take<float>(t.blocks() * rows * 16);
  w.out = from.take<float>(square);
  w.maxima = from.take<float>(parts * rows * 16);
  w.sums = from.take<float>(rows * 16);
  w.greatest = from.take<float>(rows);
  return w;
}

}  // namespace

int64_t work_bytes(const AttentionTask& t, int64_t parts) {
  Carver counter{nullptr};
  carve(t, parts, counter);
  return counter.used;
}

AttentionWork work_at(const AttentionTask& t, int64_t parts, std::byte* at) {
  Carver from{at};
  return carve(t, parts, from);
}

void pack_queries(const AttentionTask& t) {
  if (t.integer()) return pack_query_codes(t);
  const int64_t dim = t.a->dim, row_width = int64_t{t.a->heads} * dim, rows = t.rows();
  for (int64_t r = 0; r < rows; ++r) {
    const float* q = t.q + r / t.group() * row_width + (t.kv_head * t.group() + r % t.group()) * dim;
    for (int64_t d = 0; d < dim; d += 16) {
      std::memcpy(t.w.q + d * rows + r * 16, q + d, static_cast<size_t>(std::min<int64_t>(16, dim - d)) * 4);
    }
  }
}

kernels::TilesArgs some_blocks(kernels::TilesArgs tiles, int64_t skip, int64_t blocks) {
  const int64_t entry = tiles.scale_kind == kernels::ScaleKind::f32 ? 4 : 2;
  tiles.blocks = blocks;
  tiles.codes += skip * tiles.pitch * 32 * tiles.bits;
  if (tiles.scales != nullptr) {
    tiles.scales = static_cast<const std::byte*>(tiles.scales) + skip * tiles.groups * 16 * entry;
  }
  return tiles;
}

KvStore::Tiles factor(const AttentionTask& t, bool key, const KvStore::Range& range) {
  static thread_local Room room;
  KvStore::Tiles tiles = t.store->tiles(key, t.kv_head, range, room.floats(kChunk * t.store->padded_dim() * 16));
  if (!tiles.is_codes || t.integer() || t.rows() <= kernels::kFewRows) return tiles;
  kernels::widen_tiles(t.isa, tiles.codes);
  tiles.is_codes = false;
  return tiles;
}

void score(const AttentionTask& t, int64_t begin, int64_t end, float* maxima) {
  std::fill_n(maxima, t.rows() * 16, -INFINITY);
  for (int64_t block = begin; block < end; block += kChunk) {
    const int64_t count = std::min(kChunk, end - block);
    const KvStore::Tiles keys = factor(t, true, {t.base() / 16 + block, count, 0, t.panels()});
    over_row_tiles(t, block, block + count, [&](const RowTile& tile) {
      kernels::ScoresArgs scores = scores_of(t, tile);
      const kernels::TilesArgs codes =
          keys.is_codes ? some_blocks(keys.codes, tile.begin - block, scores.blocks) : kernels::TilesArgs();
      if (t.integer()) {
        score_codes(t, tile, codes, scores.scores);
      } else {
        kernels::panels(t.isa, {tile.count, scores.blocks, 0, t.a->dim, t.rows(), t.w.q + tile.row * 16,
                                keys.data + (tile.begin - block) * keys.block, 256, keys.block, scores.scores, true,
                                keys.is_codes ? &codes : nullptr});
      }
      scores.lanes = maxima + tile.row * 16;
      kernels::score_maxima(t.isa, scores);
    });
  }
}

void find_greatest(const AttentionTask& t, int64_t row, int64_t parts) {
  // The first one seen begins, as NaN there wins and elsewhere loses.
  const int64_t rows = t.rows(), first = t.first[row];
  float greatest = t.w.scores[(first / 16 * rows + row) * 16 + first % 16];
  for (int64_t part = 0; part < parts; ++part) {
    const float* lanes = t.w.maxima + (part * rows + row) * 16;
    for (int64_t i = 0; i < 16; ++i) {
      if (lanes[i] > greatest) greatest = lanes[i];
    }
  }
  t.w.greatest[row] = kernels::shaped_first(t.a->scale, t.a->softcap) ? greatest : greatest * t.a->scale;
  std::fill_n(t.w.sums + row * 16, 16, 0.0f);
}

void weigh(const AttentionTask& t, const RowTile& tile) {
  kernels::ScoresArgs scores = scores_of(t, tile);
  scores.lanes = t.w.sums + tile.row * 16;
  kernels::score_weights(t.isa, scores);
}

void mix(const AttentionTask& t, const RowTile& tile, int64_t block, const KvStore::Tiles& values,
         const ValueRatios& ratios, int64_t begin, int64_t end) {
  if (t.integer()) return mix_codes(t, tile, block, values, ratios);
  const int64_t rows = t.rows(), from = tile.begin * 16, to = tile.end * 16;
  const auto run = [&](int64_t row, int64_t count, int64_t first, int64_t last, bool fresh) {
    const int64_t at = block * 16;
    if (first >= last) return;
    kernels::panels(t.isa, {count, end - begin, first - at, last - at, rows, t.w.scores + (block * rows + row) * 16,
                            values.data, values.block, 256, t.w.out + (begin * rows + row) * 16, fresh,
                            values.is_codes ? &values.codes : nullptr});
  };
  // A chain may begin with weights of 0, which leave +0 as it is, but not end with them: -0 + 0 is +0.
  const int64_t common = t.end[tile.row];
  run(tile.row, tile.count, from, std::min(to, common), t.first[tile.row] / 16 >= block);
  for (int64_t row = tile.row, next = row; row < tile.row + tile.count; row = next) {
    while (next < tile.row + tile.count && t.end[next] == t.end[row]) ++next;
    run(row, next - row, std::max(from, common), std::min(to, t.end[row]), false);
  }
}

void finish(const AttentionTask& t) {
  const int64_t dim = t.a->dim, row_width = int64_t{t.a->heads} * dim, rows = t.rows();
  for (int64_t r = 0; r < rows; ++r) {
    float* lane = t.w.sums + r * 16;
    for (int width = 8; width > 0; width /= 2) {
      for (int i = 0; i < width; ++i) lane[i] += lane[i + width];
    }
    float* out = t.out + r / t.group() * row_width + (t.kv_head * t.group() + r % t.group()) * dim;
    for (int64_t d = 0; d < dim; d += 16) {
      const float* sum = t.w.out + d * rows + r * 16;
      for (int64_t i = 0; i < std::min<int64_t>(16, dim - d); ++i) out[d + i] = sum[i] / lane[0];
    }
  }
}

}  // namespace lowbit::exec

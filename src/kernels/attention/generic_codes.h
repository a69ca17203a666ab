// Integer products of attention: queries with keys, weights with values.
#pragma once

#include "kernels/attention/args.h"
#include "kernels/attention/generic_seen.h"
#include "kernels/attention/generic_tiles.h"

namespace lowbit::kernels {

// Tiles of 16 columns of a group of scales.
static inline int64_t group_tiles(const TilesArgs& t) { return t.groups == 1 ? t.pitch : t.group / 16; }

// Unit `u` (4 of the 16 reduction indices) of a tile of codes: as they are, of 4 bits the half that is meant.
template <class S, int Bits>
static inline typename S::Bytes code_unit(const uint8_t* tile, int u) {
  if constexpr (Bits == 8) return S::bytes_load(tile + 64 * u);
  const typename S::Bytes both = S::bytes_load(tile + 64 * (u / 2));
  return u % 2 == 0 ? S::template field<0, 4, 0>(both) : S::template field<4, 4, 0>(both);
}

// Rows in register tiles, the tallest first: visit.operator()<Rows, Panels>(row) for each tile, which is at most
// Panels wide.
template <class S, class Visit>
static inline void for_row_tiles(int64_t rows, const Visit& visit) {
  constexpr bool kWide = S::kFloatTile >= 12;
  int64_t row = 0;
  const auto run = [&]<int Rows, int Panels>() {
    for (; row + Rows <= rows; row += Rows) visit.template operator()<Rows, Panels>(row);
  };
  if constexpr (kWide) run.template operator()<6, 4>();
  if constexpr (kWide) run.template operator()<4, 4>();
  run.template operator()<2, kWide ? 4 : 1>();
  run.template operator()<1, kWide ? 4 : 2>();
}

// Whether registers hold the sums of a tile alone, and memory its results. Such a tile reads each activation once for
// four products; one of two panels for two would leave the loading units behind.
constexpr bool far_results(int rows, int panels) { return rows * panels > 12; }

// ---- scores ----

// Whether a key's byte is taken as the number itself.
template <class S, int Bits>
constexpr bool kTakesSigned = Bits == 8 && S::kDotMax < 255;

// sum += queries * a tile of 16 columns of each panel, whose codes begin at `at`; q: the queries' codes of the tile.
template <class S, int Bits, int Rows, int Panels>
static inline __attribute__((always_inline)) void add_key_tile(const uint8_t* const (&at)[Panels], const int8_t* q,
                                                               typename S::Int (&sum)[Rows][Panels]) {
  constexpr bool kSigned = kTakesSigned<S, Bits>;
  for (int u = 0; u < 4; ++u) {
    typename S::Bytes w[Panels];
    for (int j = 0; j < Panels; ++j) w[j] = code_unit<S, Bits>(at[j], u);
    for (int r = 0; r < Rows; ++r) {
      const typename S::Bytes x = S::bytes_broadcast4(q + 16 * r + 4 * u);
      for (int j = 0; j < Panels; ++j) {
        sum[r][j] = kSigned ? S::dot_signed(sum[r][j], w[j], x) : S::dot(sum[r][j], w[j], x);
      }
    }
  }
}

template <class S, int Bits, int Rows, int Panels>
static inline void code_scores_tile(const CodeScoresArgs& g, int64_t row, int64_t block) {
  constexpr bool kSigned = kTakesSigned<S, Bits>;
  constexpr bool kFar = far_results(Rows, Panels);
  const TilesArgs& t = g.keys;
  const uint8_t* at[Panels];
  int64_t of[Panels];  // blocks; where fewer are left, the last one is computed again
  float* out[Panels];
  typename S::Float acc[Rows][Panels];
  for (int j = 0; j < Panels; ++j) {
    of[j] = block + j < t.blocks ? block + j : t.blocks - 1;
    at[j] = t.codes + of[j] * t.pitch * 32 * Bits;
    out[j] = g.scores + (of[j] * g.pitch + row) * 16;
    for (int r = 0; r < Rows; ++r) acc[r][j] = S::zero();
  }
  const int8_t* q = g.queries + row * 16;
  const int64_t tiles = group_tiles(t);
  for (int64_t group = 0, tile = 0; group < t.groups; ++group) {
    const int64_t entry = group * g.pitch + row, end = tile + tiles < t.tiles ? tile + tiles : t.tiles;
    typename S::Int sum[Rows][Panels];
    for (int r = 0; r < Rows; ++r) {
      const typename S::Int start = kSigned ? S::int_zero() : S::int_broadcast(g.starts[entry + r]);
      for (int j = 0; j < Panels; ++j) sum[r][j] = start;
    }
    for (; tile < end; ++tile, q += g.pitch * 16) {
      for (int j = 0; j < Panels; ++j) ask_ahead(t, at[j], 32 * Bits);
      add_key_tile<S, Bits, Rows, Panels>(at, q, sum);
      for (int j = 0; j < Panels; ++j) at[j] += 32 * Bits;
    }
    typename S::Float scale[Panels];
    for (int j = 0; j < Panels; ++j) {
      scale[j] = load_scales<S>(t.scale_kind, t.scales, (of[j] * t.groups + group) * 16);
    }
    const auto end_group = [&](const auto& before) {
      for (int r = 0; r < Rows; ++r) {
        const typename S::Float query = S::broadcast(g.scales[entry + r]);
        for (int j = 0; j < Panels; ++j) {
          acc[r][j] = S::fma(S::to_float(sum[r][j]), S::mul(scale[j], query), before(r, j));
          if constexpr (kFar) S::store(out[j] + 16 * r, acc[r][j]);
        }
      }
    };
    if constexpr (!kFar) {
      end_group([&](int r, int j) { return acc[r][j]; });
    } else if (group == 0) {
      end_group([](int, int) { return S::zero(); });
    } else {
      end_group([&](int r, int j) { return S::load(out[j] + 16 * r); });
    }
  }
  for (int r = 0; r < Rows && !kFar; ++r) {
    for (int j = 0; j < Panels; ++j) S::store(out[j] + 16 * r, acc[r][j]);
  }
}

template <class S, int Bits>
static inline void code_scores_bits(const CodeScoresArgs& g) {
  for_row_tiles<S>(g.rows, [&]<int Rows, int Panels>(int64_t row) {
    constexpr int kRest = far_results(Rows, Panels) ? 2 : Panels;
    int64_t b = 0;
    for (; b + Panels <= g.keys.blocks; b += Panels) code_scores_tile<S, Bits, Rows, Panels>(g, row, b);
    for (; b < g.keys.blocks; b += kRest) code_scores_tile<S, Bits, Rows, kRest>(g, row, b);
  });
}

template <class S>
static inline void code_scores(const CodeScoresArgs& g) {
  g.keys.bits == 4 ? code_scores_bits<S, 4>(g) : code_scores_bits<S, 8>(g);
}

// ---- weights ----

// Scales of values in a chunk, whose blocks are [first, end), times the inverse of the greatest of them that is seen,
// [group][64], and that one.
template <class S>
static inline void find_ratios(const TilesArgs& values, int64_t first_group, int64_t groups, int64_t first,
                               int64_t end, const Seen& seen, float* ratios, float* greatest) {
  for (int64_t i = 0; i < groups; ++i, ratios += kChunkPositions) {
    typename S::Float scale[kChunkBlocks], most = S::zero();
    for (int64_t b = 0; b < kChunkBlocks; ++b) {
      scale[b] = S::zero();
      if (first + b >= end) continue;
      scale[b] =
          load_scales<S>(values.scale_kind, values.scales, ((first + b) * values.groups + first_group + i) * 16);
      most = S::max(seen_lanes<S>(scale[b], b, seen, 0.0f), most);
    }
    greatest[i] = S::reduce_max(most);
    const typename S::Float inverse = S::broadcast(1.0f / greatest[i]);
    for (int64_t b = 0; b < kChunkBlocks; ++b) S::store(ratios + 16 * b, S::mul(scale[b], inverse));
  }
}

template <class S>
static inline void value_ratios(const ValueRatiosArgs& g) {
  const Chunks chunks = {g.values.blocks, g.from_start};
  for (int64_t chunk = 0; chunk < chunks.count(); ++chunk) {
    find_ratios<S>(g.values, g.first_group, g.group_count, chunks.first_block(chunk), chunks.end_block(chunk),
                   {0, kChunkPositions, 0, 0}, g.ratios + chunk * g.group_count * kChunkPositions,
                   g.greatest + chunk * g.group_count);
  }
}

// Where the weights of a row in a chunk lie and where their codes go: of groups `step` rows apart.
struct WeightPlace {
  const float* weights;
  int64_t blocks;
  int64_t block;  // floats from one block to the next
  uint8_t* codes;
  float* scales;
  int64_t step, groups;
};

static_assert(kChunkBlocks == 4);
// Of rows that see the whole chunk (or have 0 elsewhere), one behind the other, `Groups` groups from `group` on.
template <class S, int Groups>
static inline void whole_rows(const WeightPlace& at, int64_t rows, int64_t group, const float* ratios,
                              const float* greatest_scales) {
  typename S::Float ratio[Groups][4];
  float most[Groups];
  for (int i = 0; i < Groups; ++i) {
    for (int b = 0; b < 4; ++b) ratio[i][b] = S::load(ratios + kChunkPositions * (group + i) + 16 * b);
    most[i] = greatest_scales[group + i];
  }
  static constexpr float kNothing[16] = {};
  const float* weights[4];
  int64_t next[4];  // floats from one row to the next
  for (int b = 0; b < 4; ++b) {
    const bool any = b < at.blocks;
    weights[b] = any ? at.weights + b * at.block : kNothing;
    next[b] = any ? 16 : 0;
  }
  auto* codes = reinterpret_cast<int8_t*>(at.codes + group * at.step * kChunkPositions);
  float* scales = at.scales + group * at.step;
  const int64_t step = at.step, code_step = step * kChunkPositions;
  for (int64_t row = 0; row < rows; ++row, codes += kChunkPositions, ++scales) {
    typename S::Float w[4], largest = S::zero();
    for (int b = 0; b < 4; ++b) {
      w[b] = S::load(weights[b] + row * next[b]);
      largest = S::max(w[b], largest);
    }
    const float found = S::reduce_max(largest);
    const float greatest = found > 0x1p-100f ? found : 0x1p-100f, unit = greatest * (1.0f / kMostWeight);
    const typename S::Float inverse = S::broadcast(kMostWeight / greatest);
    for (int b = 0; b < 4; ++b) w[b] = S::mul(w[b], inverse);
    for (int i = 0; i < Groups; ++i) {
      scales[i * step] = unit * most[i];
      const auto code = [&](int b) { return S::nearest_int(S::mul(w[b], ratio[i][b])); };
      S::store_bytes(codes + i * code_step, code(0), code(1), code(2), code(3));
    }
  }
}

template <class S>
static inline void whole_groups(const WeightPlace& at, int64_t rows, const float* ratios,
                                const float* greatest_scales) {
  int64_t group = 0;
  for (; group + 4 <= at.groups; group += 4) whole_rows<S, 4>(at, rows, group, ratios, greatest_scales);
  for (; group + 2 <= at.groups; group += 2) whole_rows<S, 2>(at, rows, group, ratios, greatest_scales);
  if (group < at.groups) whole_rows<S, 1>(at, rows, group, ratios, greatest_scales);
}

// A row that sees a part of the chunk: what it does not see is 0.
template <class S>
static inline void part_of_row(WeightPlace at, const Seen& seen, const float* ratios, const float* greatest_scales) {
  alignas(64) float own[kChunkPositions];
  for (int64_t b = 0; b < at.blocks; ++b) {
    const bool any = seen.end > 16 * b;  // others may be no numbers
    S::store(own + 16 * b, any ? seen_lanes<S>(S::load(at.weights + b * at.block), b, seen, 0.0f) : S::zero());
  }
  at.weights = own;
  at.block = 16;
  whole_groups<S>(at, 1, ratios, greatest_scales);
}

// A row that sees nothing of the chunk.
static inline void no_weight_codes(const WeightPlace& at) {
  for (int64_t i = 0; i < at.groups; ++i) {
    at.scales[i * at.step] = 0.0f;
    for (int64_t j = 0; j < kChunkPositions; ++j) at.codes[i * at.step * kChunkPositions + j] = 0;
  }
}

template <class S>
static inline void weight_codes(const WeightCodesArgs& g) {
  // Of a chunk that rows see in part.
  alignas(64) float ratios[kMostCodeGroups * kChunkPositions];
  float greatest[kMostCodeGroups];
  const Chunks chunks = {g.values.blocks, g.from_start};
  const int64_t count = chunks.count(), rows = g.rows;
  for (int64_t chunk = 0; chunk < count; ++chunk) {
    const int64_t block = chunks.first_block(chunk), end_block = chunks.end_block(chunk);
    const int64_t begin = g.origin + 16 * block, size = 16 * (end_block - block), first_row = chunk * rows;
    const auto place = [&](int64_t row) {
      return WeightPlace{g.weights + (block * g.pitch + row) * 16,
                         end_block - block,
                         g.pitch * 16,
                         g.codes + (first_row + row) * kChunkPositions,
                         g.scales + first_row + row,
                         count * rows,
                         g.group_count};
    };
    const auto from = [&](int64_t row) { return g.first[row] > begin ? g.first[row] - begin : 0; };
    const auto to = [&](int64_t row) { return g.end[row] < begin + size ? g.end[row] - begin : size; };
    const bool complete = end_block == chunks.first_block(chunk + 1);
    const auto is_whole = [&](int64_t row) { return complete && from(row) == 0 && to(row) == size; };
    Seen last = {-1, -1, 0, 0};
    for (int64_t row = 0, next = 0; row < rows; row = next) {
      while (next < rows && is_whole(next)) ++next;
      if (next > row) {
        whole_groups<S>(place(row), next - row, g.ratios + chunk * g.group_count * kChunkPositions,
                        g.greatest + chunk * g.group_count);
        continue;
      }
      ++next;
      const Seen seen = {from(row), to(row), 0, 0};
      if (seen.first >= seen.end) {
        no_weight_codes(place(row));
        continue;
      }
      if (seen.first != last.first || seen.end != last.end) {
        find_ratios<S>(g.values, g.first_group, g.group_count, block, end_block, seen, ratios, greatest);
      }
      last = seen;
      part_of_row<S>(place(row), seen, ratios, greatest);
    }
  }
}

// ---- output ----

// The codes of values as the numbers, s8.
template <class S, int Bits>
static inline typename S::Bytes value_unit(const uint8_t* tile, int u) {
  static constexpr uint8_t kNumbers[16] = {248, 249, 250, 251, 252, 253, 254, 255, 0, 1, 2, 3, 4, 5, 6, 7};
  const typename S::Bytes codes = code_unit<S, Bits>(tile, u);
  if constexpr (Bits == 4) return S::lookup16(kNumbers, codes);
  return S::bytes_xor(codes, 0x80);
}

// sum + weights (any u8) * values (s8).
template <class S>
static inline typename S::Int dot_weights(typename S::Int sum, typename S::Bytes weights, typename S::Bytes values) {
  if constexpr (S::kDotMax == 255) return S::dot(sum, weights, values);
  const typename S::Bytes half = S::template field<1, 7, 0>(weights), odd = S::template field<0, 1, 0>(weights);
  return S::dot(S::dot(S::dot(sum, half, values), half, values), odd, values);
}

// Rows from `row` on, tiles [tile, tile + Panels) of one group, whose weights begin at `codes` and `scales`.
template <class S, int Bits, int Rows, int Panels>
static inline void code_mix_tile(const CodeMixArgs& g, int64_t row, int64_t tile, const uint8_t* codes,
                                 const float* scales) {
  constexpr bool kFar = far_results(Rows, Panels);
  const TilesArgs& t = g.values;
  const uint8_t* at = t.codes + tile * 32 * Bits;
  float* out = g.out + (tile * g.pitch + row) * 16;
  const auto result = [&](int r, int j) { return out + (j * g.pitch + r) * 16; };
  typename S::Float acc[Rows][Panels];
  for (int r = 0; r < Rows && !kFar; ++r) {
    for (int j = 0; j < Panels; ++j) acc[r][j] = g.fresh ? S::zero() : S::load(result(r, j));
  }
  codes += row * kChunkPositions;
  scales += row;
  const Chunks chunks = {t.blocks, g.from_start};
  const int64_t count = chunks.count();
  for (int64_t chunk = 0; chunk < count; ++chunk, codes += g.rows * kChunkPositions, scales += g.rows) {
    typename S::Int sum[Rows][Panels];
    for (int r = 0; r < Rows; ++r) {
      for (int j = 0; j < Panels; ++j) sum[r][j] = S::int_zero();
    }
    const int64_t blocks = chunks.end_block(chunk) - chunks.first_block(chunk);
    for (int64_t b = 0; b < blocks; ++b, at += t.pitch * 32 * Bits) {
      for (int j = 0; j < Panels; ++j) ask_ahead(t, at + j * 32 * Bits, 32 * Bits);
      for (int u = 0; u < 4; ++u) {
        typename S::Bytes w[Panels];
        for (int j = 0; j < Panels; ++j) w[j] = value_unit<S, Bits>(at + j * 32 * Bits, u);
        for (int r = 0; r < Rows; ++r) {
          const uint8_t* at_row = codes + r * kChunkPositions + 16 * b + 4 * u;
          const typename S::Bytes x = S::bytes_broadcast4(reinterpret_cast<const int8_t*>(at_row));
          for (int j = 0; j < Panels; ++j) sum[r][j] = dot_weights<S>(sum[r][j], x, w[j]);
        }
      }
    }
    const auto end_chunk = [&](const auto& before) {
      for (int r = 0; r < Rows; ++r) {
        const typename S::Float scale = S::broadcast(scales[r]);
        for (int j = 0; j < Panels; ++j) {
          acc[r][j] = S::fma(S::to_float(sum[r][j]), scale, before(r, j));
          if constexpr (kFar) S::store(result(r, j), acc[r][j]);
        }
      }
    };
    if constexpr (!kFar) {
      end_chunk([&](int r, int j) { return acc[r][j]; });
    } else if (g.fresh && chunk == 0) {
      end_chunk([](int, int) { return S::zero(); });
    } else {
      end_chunk([&](int r, int j) { return S::load(result(r, j)); });
    }
  }
  for (int r = 0; r < Rows && !kFar; ++r) {
    for (int j = 0; j < Panels; ++j) S::store(result(r, j), acc[r][j]);
  }
}

// All tiles of the output, group by group.
template <class S, int Bits, int Rows, int Panels>
static inline void code_mix_row(const CodeMixArgs& g, int64_t row) {
  const TilesArgs& t = g.values;
  const int64_t width = group_tiles(t), first = t.first_tile / width;
  const int64_t step = Chunks{t.blocks, g.from_start}.count() * g.rows;
  for (int64_t tile = 0, end = 0; tile < t.tiles; tile = end) {
    const int64_t group = (t.first_tile + tile) / width - first;
    end = (first + group + 1) * width - t.first_tile;
    if (end > t.tiles) end = t.tiles;
    const uint8_t* codes = g.codes + group * step * kChunkPositions;
    const float* scales = g.scales + group * step;
    int64_t j = tile;
    for (; j + Panels <= end; j += Panels) code_mix_tile<S, Bits, Rows, Panels>(g, row, j, codes, scales);
    if constexpr (Panels > 2) {
      for (; j + 2 <= end; j += 2) code_mix_tile<S, Bits, Rows, 2>(g, row, j, codes, scales);
    }
    for (; j < end; ++j) code_mix_tile<S, Bits, Rows, 1>(g, row, j, codes, scales);
  }
}

template <class S, int Bits>
static inline void code_mix_bits(const CodeMixArgs& g) {
  for_row_tiles<S>(g.rows, [&]<int Rows, int Panels>(int64_t row) { code_mix_row<S, Bits, Rows, Panels>(g, row); });
}

template <class S>
static inline void code_mix(const CodeMixArgs& g) {
  g.values.bits == 4 ? code_mix_bits<S, 4>(g) : code_mix_bits<S, 8>(g);
}

}  // namespace lowbit::kernels

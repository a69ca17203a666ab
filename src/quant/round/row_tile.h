// What all rounding methods share: rows taken in tiles, the errors of finished rows, the output arrays.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/cpu.h"
#include "quant/method.h"
#include "quant/round/row_scales.h"

namespace lowbit::quant {

// Rows handled together: enough that a product with the second moments reads them from the cache.
constexpr int64_t kTileRows = 64;

// Columns weighted by diag(H) + damping * mean, else by the importance, scaled to a mean of 1; empty where neither is
// known or all of it is zero.
std::vector<float> column_importance(const MethodInput& input);

// Output arrays for rows of a plan's format.
MethodOutput make_output(const ScalePlan& plan, int64_t rows);

// One thread's rows in work.
struct RowTile {
  int64_t first = 0, rows = 0;
  std::vector<float> weights;  // [rows][cols], usable
  std::vector<float> errors;   // [rows][cols] w - q
  std::vector<float> product;  // [rows][cols] working space
  std::vector<float> values;   // [cols]
  std::vector<RowScales> scales;
  ScalePlan::Scratch scratch;

  // Copies rows [first, first + rows) of the input and makes room; returns how many weights were not usable.
  int64_t load(const MethodInput& input, int64_t first_row, int64_t row_count);
};

// Runs body(tile) over all rows; `tiles` of the pool's threads. Adds up unusable weights.
template <class Body>
void for_each_tile(const MethodInput& input, MethodOutput& output, const Body& body) {
  std::vector<RowTile> tiles(static_cast<size_t>(input.threads->size()));
  std::vector<int64_t> unusable(tiles.size(), 0);
  const int64_t count = (input.rows + kTileRows - 1) / kTileRows;
  input.threads->parallel_for(count, 1, [&](int64_t begin, int64_t end, int thread) {
    const auto t = static_cast<size_t>(thread);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = i * kTileRows;
      unusable[t] += tiles[t].load(input, first, std::min(kTileRows, input.rows - first));
      body(tiles[t]);
    }
  });
  for (const int64_t n : unusable) output.unusable_weights += n;
}

// Codes and scales of the tile's rows -> w - q in tile.errors, scale codes and both errors in the output.
// Codes must stand in output.codes.codes already.
void finish_tile(const MethodInput& input, const ScalePlan& plan, Isa isa, RowTile& tile, MethodOutput& output);

// product = errors * H for all rows of the tile, H [cols][cols].
void times_second_moments(std::span<const float> moments, int64_t cols, Isa isa, RowTile& tile);

}  // namespace lowbit::quant

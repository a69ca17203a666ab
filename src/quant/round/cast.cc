#include "quant/round/cast.h"

#include "quant/round/row_tile.h"

namespace lowbit::quant {
namespace {

double dot(const float* a, const float* b, int64_t count) {
  double sum = 0.0;
  for (int64_t i = 0; i < count; ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

}  // namespace

Result<CastOutput> cast_rows(const formats::Format& format, int64_t rows, int64_t cols, std::span<const float> values,
                             std::span<const float> second_moments, ThreadPool& pool) {
  CastOutput out;
  LOWBIT_ASSIGN(out.matrix, tensor::pack_plain(format, rows, cols, values));
  out.weighted_error.resize(static_cast<size_t>(rows));
  out.squared_error.resize(static_cast<size_t>(rows));
  const Isa isa = active_isa();
  pool.parallel_for((rows + kTileRows - 1) / kTileRows, 1, [&](int64_t begin, int64_t end, int) {
    RowTile tile;
    for (int64_t t = begin; t < end; ++t) {
      tile.first = t * kTileRows;
      tile.rows = std::min(kTileRows, rows - tile.first);
      tile.errors.resize(static_cast<size_t>(tile.rows * cols));
      tensor::dequantize_rows(out.matrix, tile.first, tile.first + tile.rows, tile.errors.data());
      const float* weights = values.data() + tile.first * cols;
      for (size_t i = 0; i < tile.errors.size(); ++i) tile.errors[i] = weights[i] - tile.errors[i];
      if (!second_moments.empty()) times_second_moments(second_moments, cols, isa, tile);
      for (int64_t r = 0; r < tile.rows; ++r) {
        const float* error = tile.errors.data() + r * cols;
        const auto row = static_cast<size_t>(tile.first + r);
        out.squared_error[row] = dot(error, error, cols);
        out.weighted_error[row] =
            second_moments.empty() ? out.squared_error[row] : dot(error, tile.product.data() + r * cols, cols);
      }
    }
  });
  return out;
}

}  // namespace lowbit::quant

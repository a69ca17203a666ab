// Blocks along any axis of an array: the axis is moved to the end and back.
#include <algorithm>

#include "base/bits.h"
#include "base/check.h"
#include "formats/block.h"

namespace lowbit::formats {
namespace {

// The array as [before][length][after], the axis between.
struct Axis {
  int64_t before = 1, length = 1, after = 1;
  int64_t rows = 1;  // of a matrix: the axis that comes to stand before the last one

  Axis(std::span<const int64_t> shape, int axis) {
    const int axes = static_cast<int>(shape.size());
    const int at = axis < 0 ? axis + axes : axis;
    LOWBIT_CHECK((at >= 0 && at < axes) || axes == 0);
    for (int i = 0; i < axes; ++i) {
      const int64_t n = shape[static_cast<size_t>(i)];
      (i < at ? before : i == at ? length : after) *= n;
      if (i != at) rows = n;
    }
  }
};

// out[b][a][i] = in[b][i][a], in tiles that stay in the cache.
void move_axis(const float* in, float* out, int64_t before, int64_t length, int64_t after, ThreadPool* pool) {
  constexpr int64_t kTile = 32;
  const int64_t strips = ceil_div(length, kTile);
  const auto strip = [&](int64_t index) {
    const float* from = in + index / strips * length * after;
    float* to = out + index / strips * length * after;
    const int64_t first = index % strips * kTile, last = std::min(first + kTile, length);
    for (int64_t a0 = 0; a0 < after; a0 += kTile) {
      for (int64_t a = a0; a < std::min(a0 + kTile, after); ++a) {
        for (int64_t i = first; i < last; ++i) to[a * length + i] = from[i * after + a];
      }
    }
  };
  if (pool == nullptr) {
    for (int64_t i = 0; i < before * strips; ++i) strip(i);
    return;
  }
  pool->parallel_for(before * strips, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) strip(i);
  });
}

}  // namespace

void cast_blocks_along(const Format& format, std::span<const float> values, std::span<const int64_t> shape, int axis,
                       std::span<float> out, const BlockOptions& options) {
  const Axis a(shape, axis);
  LOWBIT_CHECK(std::ssize(values) == a.before * a.length * a.after && out.size() == values.size());
  if (values.empty()) return;
  BlockOptions inner = options;
  inner.rows = a.rows;
  if (a.after == 1) return cast_blocks(format, values, a.length, out, inner);
  std::vector<float> moved(values.size());
  move_axis(values.data(), moved.data(), a.before, a.length, a.after, options.array.pool);
  cast_blocks(format, moved, a.length, moved, inner);
  move_axis(moved.data(), out.data(), a.before, a.after, a.length, options.array.pool);
}

}  // namespace lowbit::formats

#include <immintrin.h>

#include "kernels/limits/args.h"
#include "simd/tiles.h"

namespace lowbit::kernels::amx {

// w as one tile, the first bytes of x as the rows of another: four chains of them, each a tile of sums. The first
// row of the first is written to out.
void peak_tiles(const PeakArgs& args) {
  simd::TileShape shape;
  shape.set(16, 16);
  _tile_zero(0);
  _tile_zero(3);
  _tile_zero(4);
  _tile_zero(5);
  _tile_loadd(1, args.x, 64);
  _tile_loadd(2, args.w, 64);
  for (int64_t r = 0; r < args.rounds * kPeakSteps; ++r) {
    _tile_dpbsud(0, 1, 2);
    _tile_dpbsud(3, 1, 2);
    _tile_dpbsud(4, 1, 2);
    _tile_dpbsud(5, 1, 2);
  }
  alignas(64) int32_t sums[16][16];
  _tile_stored(0, sums, 64);
  __builtin_memcpy(args.out, sums[0], 64);
  *args.products = args.rounds * kPeakSteps * 4 * 16 * 16 * 64;
}

}  // namespace lowbit::kernels::amx

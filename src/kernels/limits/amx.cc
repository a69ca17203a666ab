#include <immintrin.h>

#include "kernels/limits/args.h"
#include "simd/tiles.h"

namespace lowbit::kernels::amx {

// w as one tile, the first bytes of x as the rows of another: four chains of them, each a tile of sums. The first
// row of the first is written to out.
void peak_tiles(const PeakArgs& args) {
  const simd::TileShape shape(16, 16);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_loadd(4, args.x, 64);
  _tile_loadd(6, args.w, 64);
  for (int64_t r = 0; r < args.rounds * kPeakSteps; ++r) {
    _tile_dpbsud(0, 4, 6);
    _tile_dpbsud(1, 4, 6);
    _tile_dpbsud(2, 4, 6);
    _tile_dpbsud(3, 4, 6);
  }
  alignas(64) int32_t sums[16][16];
  _tile_stored(0, sums, 64);
  __builtin_memcpy(args.out, sums[0], 64);
  *args.products = args.rounds * kPeakSteps * 4 * 16 * 16 * 64;
}

}  // namespace lowbit::kernels::amx

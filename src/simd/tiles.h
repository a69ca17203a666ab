// Tile registers of AMX: how they are divided while an object lives. Numbers 0 to 3 hold sums, 16 of 32 bits for each
// token; 4 and 5 rows of 64 bytes of tokens; 6 and 7 weights, 16 rows of 64 bytes.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace lowbit::simd {

class TileShape {
 public:
  // Tokens of 0, 1 and 4; of 2, 3 and 5: 1 to 16.
  TileShape(int first, int second) { set(first, second); }
  // Tiles left in use would be kept at every change of threads.
  ~TileShape() { _tile_release(); }
  TileShape(const TileShape&) = delete;
  TileShape& operator=(const TileShape&) = delete;

  // Sums and rows are undefined after a change.
  void set(int first, int second) {
    if (first == first_ && second == second_) return;
    first_ = first;
    second_ = second;
    Config config = {};
    config.palette = 1;
    for (int i = 0; i < 8; ++i) {
      config.row_bytes[i] = 64;
      config.rows[i] = static_cast<uint8_t>(i >= 6 ? 16 : i == 2 || i == 3 || i == 5 ? second : first);
    }
    _tile_loadconfig(&config);
  }

 private:
  // Intel SDM, volume 1, 18.2 (palette 1).
  struct alignas(64) Config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
  };
  int first_ = 0, second_ = 0;
};

}  // namespace lowbit::simd

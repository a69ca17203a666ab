// Tile registers of AMX: how they are divided while an object lives. Number 0 holds sums, 16 of 32 bits for each
// token, 1 rows of tokens, 4 bytes for each unit of columns, 2 weights, a row of 64 bytes for each unit. Numbers 3 to
// 7 are as 0.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace lowbit::simd {

class TileShape {
 public:
  TileShape() = default;
  // Tiles left in use would be kept at every change of threads.
  ~TileShape() { _tile_release(); }
  TileShape(const TileShape&) = delete;
  TileShape& operator=(const TileShape&) = delete;

  // 1 to 16 each. Sums and rows are undefined afterwards.
  static void set(int tokens, int units) {
    Config config = {};
    config.palette = 1;
    for (int i = 0; i < 8; ++i) {
      config.row_bytes[i] = static_cast<uint16_t>(i == 1 ? 4 * units : 64);
      config.rows[i] = static_cast<uint8_t>(i == 2 ? units : tokens);
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
};

}  // namespace lowbit::simd

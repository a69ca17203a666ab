// Keys and values of one layer and one sequence, as attention reads them. Per kv head they lie in blocks of 16
// positions, and a block in tiles of 16 x 16: of keys, rows are columns of the head and lanes are positions; of
// values the other way round. The columns of a head are padded to a multiple of 16.
//
// Elements of at most 8 bits are kept as codes (of at most 4 bits in half a byte, else in one) with their scales in
// 16 bits where these hold them, else fp32; f16 and bf16 as 16-bit words; f32 and every other format as fp32 numbers
// (rounded to that format: what is kept is its values, not its size).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/cpu.h"
#include "graph/graph.h"
#include "kernels/attention/args.h"

namespace lowbit::exec {

class KvStore {
 public:
  KvStore(const graph::Attention& attention, int64_t capacity);
  // What bytes() of such a store will be.
  static uint64_t bytes_of(const graph::Attention& attention, int64_t capacity);
  KvStore(KvStore&&) = default;  // a copy would lie at another distance from a multiple of 64 bytes

  // Keys and values of one token in one head, [dim] each, at `position`. Calls for positions of different blocks, or
  // different heads, may run at the same time.
  void put(int64_t head, int64_t position, const float* k, const float* v);

  int64_t padded_dim() const { return tiles_ * 16; }
  // Of codes: bits of one in memory, columns of a scale, scales of a head at one position.
  int code_bits() const { return bits_; }
  int64_t group() const { return group_; }
  int64_t groups() const { return groups_; }

  // Some tiles of some blocks of a head.
  struct Range {
    int64_t first_block, blocks, first_tile, tiles;
  };
  // They as a factor of products: of keys a tile is [16 columns][16 positions], of values [16 positions][16 columns].
  // As fp32, where `block` floats lie from block to block; or as codes, with a scratch for [blocks][tiles][256]
  // floats.
  struct Tiles {
    const float* data;
    int64_t block;
    kernels::TilesArgs codes;
    bool is_codes;
  };
  Tiles tiles(bool key, int64_t head, const Range& range, float* scratch) const;

  // Random keys and values of size 1 in every position, some of them alike.
  void fill(uint64_t seed, uint64_t stream);

  uint64_t bytes() const { return static_cast<uint64_t>(2 * heads_ * blocks_ * (data_bytes() + scale_bytes())); }

 private:
  enum class Kind { floats, words, codes };
  struct Empty {};
  KvStore(const graph::Attention& attention, int64_t capacity, Empty);                    // without memory
  int64_t scale_entry() const { return scale_kind_ == kernels::ScaleKind::f32 ? 4 : 2; }  // bytes
  // Of a block of 16 positions of a head.
  int64_t data_bytes() const { return tiles_ * 32 * bits_; }
  int64_t scale_bytes() const { return groups_ * 16 * scale_entry(); }
  static size_t lines(int64_t bytes) { return bytes == 0 ? 0 : static_cast<size_t>(bytes) + 64; }
  bool has_table() const { return kind_ == Kind::codes && !whole_numbers_; }
  int64_t block_index(bool key, int64_t head, int64_t block) const;
  std::byte* tile_of(bool key, int64_t head, int64_t position, int64_t d);
  void put_row(bool key, int64_t head, int64_t position, const float* row);
  void put_codes(bool key, int64_t head, int64_t position, const float* row);
  void put_scale(bool key, int64_t head, int64_t position, int64_t group, float scale);

  formats::Format format_;
  Kind kind_ = Kind::floats;
  int bits_ = 32;  // of a number in memory
  int64_t heads_, dim_, tiles_, blocks_;
  kernels::ScaleKind word_kind_ = kernels::ScaleKind::none;
  // codes
  kernels::ScaleKind scale_kind_ = kernels::ScaleKind::none;
  int64_t group_ = 1, groups_ = 0;
  bool whole_numbers_ = false;            // what is kept is the number and 2^(bits_ - 1)
  std::array<uint8_t, 256> kept_ = {};    // what is kept for a code
  std::array<float, 256> table_ = {};     // values by code
  std::vector<uint8_t> upper_;            // their upper bytes, where the lower ones are 0 (kernels/attention/args.h)
  std::vector<std::byte> data_, scales_;  // keys of all heads, then values; from the first multiple of 64 bytes on
};

}  // namespace lowbit::exec

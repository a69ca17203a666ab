// Keys and values of one layer and one sequence. Keys lie as attention reads them: per kv head, blocks of 16
// positions, [dim][16]; values per kv head as [position][dim]. f16 and bf16 are kept as 16-bit words; f32, and any
// other format, as fp32 numbers (rounded to that format: what is kept is its values, not yet its size).
#pragma once

#include <cstdint>
#include <vector>

#include "base/cpu.h"
#include "graph/graph.h"

namespace lowbit::exec {

class KvStore {
 public:
  KvStore(const graph::Attention& attention, int64_t capacity);
  // What bytes() of such a store will be.
  static uint64_t bytes_of(const graph::Attention& attention, int64_t capacity);

  // Keys and values of one token, [kv_heads][dim] each, at `position`.
  void put(int64_t position, const float* k, const float* v);

  // Keys of block `block` of a head as fp32 [dim][16]; the returned pointer is scratch or the store itself.
  const float* keys(Isa isa, int64_t head, int64_t block, float* scratch) const;
  // Values of positions [begin, end) of a head as fp32 [end - begin][dim].
  const float* values(Isa isa, int64_t head, int64_t begin, int64_t end, float* scratch) const;

  // Random keys and values of size 1 in every position.
  void fill(uint64_t seed, uint64_t stream);

  uint64_t bytes() const { return words_.size() * 2 + floats_.size() * 4; }

 private:
  enum class Kind { f32, f16, bf16, rounded };
  static Kind kind_of(const formats::Format& format);
  int64_t key_index(int64_t head, int64_t position, int64_t d) const;
  int64_t value_index(int64_t head, int64_t position, int64_t d) const;
  void put_row(bool key, int64_t head, int64_t position, const float* row);

  Kind kind_;
  formats::Format format_;
  int64_t heads_, dim_, capacity_;  // capacity a multiple of 16
  std::vector<uint16_t> words_;     // keys of all heads, then values
  std::vector<float> floats_;
};

}  // namespace lowbit::exec

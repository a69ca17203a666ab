// Array kernels over vectors of S::kLanes numbers. Everything is a template over S (or static): see simd/README.md.
#pragma once

#include "formats/arrays/generic_nearest.h"
#include "formats/arrays/generic_vectors.h"

namespace lowbit::formats {

// ---- random words ------------------------------------------------------------------------------------------------

// 32 x 32 -> 64 bits in each lane, as two vectors.
template <int N>
static inline void multiply_wide(typename Vectors<N>::U a, uint32_t b, typename Vectors<N>::U& high,
                                 typename Vectors<N>::U& low) {
  using W = typename Vectors<N>::W;
  using U = typename Vectors<N>::U;
  const W wide = (W)a;
  const W even = (wide & 0xFFFFFFFFull) * (uint64_t{b});
  const W odd = (wide >> 32) * (uint64_t{b});
  high = (U)((even >> 32) | (odd & 0xFFFFFFFF00000000ull));
  low = (U)((even & 0xFFFFFFFFull) | (odd << 32));
}

// The words of 64 elements (random_word of array.h): word w of block `first / 64 * 16 + lane` is that of element
// first + 16 w + lane.
template <int N>
static inline void random_words(uint64_t seed, uint64_t first, uint32_t* words) {
  using U = typename Vectors<N>::U;
  for (int part = 0; part < 16; part += N) {
    const uint64_t block = first / 64 * 16 + static_cast<uint64_t>(part);
    U lane = {};
    for (int i = 0; i < N; ++i) lane[i] = static_cast<uint32_t>(i);
    // Blocks of one call share the upper half of the counter: 16 divides 2^32.
    U c0 = lane + static_cast<uint32_t>(block);
    U c1 = lane * 0u + static_cast<uint32_t>(block >> 32);
    U c2 = lane * 0u, c3 = lane * 0u;
    uint32_t k0 = static_cast<uint32_t>(seed), k1 = static_cast<uint32_t>(seed >> 32);
    for (int round = 0; round < 10; ++round) {
      U high0, low0, high1, low1;
      multiply_wide<N>(c0, 0xD2511F53u, high0, low0);
      multiply_wide<N>(c2, 0xCD9E8D57u, high1, low1);
      c0 = high1 ^ c1 ^ k0;
      c1 = low1;
      c2 = high0 ^ c3 ^ k1;
      c3 = low0;
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
    store_vector(words + part, c0);
    store_vector(words + 16 + part, c1);
    store_vector(words + 32 + part, c2);
    store_vector(words + 48 + part, c3);
  }
}

// ---- decoding ----------------------------------------------------------------------------------------------------

template <class S, class In>
static inline void decode_by_gather(const float* table, const In* in, float* out, int64_t count) {
  constexpr int N = S::kLanes;
  using U = typename Vectors<N>::U;
  for_vectors<N>(in, out, count, [&](const In* from, float* to, int64_t) {
    U code;
    if constexpr (sizeof(In) == 1) {
      code = __builtin_convertvector(load_vector<typename Vectors<N>::U8>(from), U);
    } else {
      code = __builtin_convertvector(load_vector<typename Vectors<N>::U16>(from), U);
    }
    store_vector(to, S::gather(reinterpret_cast<const uint32_t*>(table), code));
  });
}

}  // namespace lowbit::formats

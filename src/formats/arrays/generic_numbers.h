// Array kernels over vectors of S::kLanes numbers. Everything is a template over S (or static): see simd/README.md.
#pragma once

#include "formats/arrays/generic_nearest.h"
#include "formats/arrays/generic_vectors.h"

namespace lowbit::formats {

// ---- random words ------------------------------------------------------------------------------------------------

// The keys of the rounds of Philox 4x32, as the lower halves of 64 bits, and its multipliers: those as constants
// make compilers merge the shift of the last product into it, which takes a longer multiplication.
constexpr uint32_t kRandomRounds = 7;  // of random_word (array.h)
struct RandomKeys {
  uint64_t first[kRandomRounds], second[kRandomRounds];
  uint32_t multipliers[2];
};
static inline RandomKeys random_keys(uint64_t seed) {
  RandomKeys keys;
  for (uint32_t round = 0; round < kRandomRounds; ++round) {
    keys.first[round] = static_cast<uint32_t>(seed) + round * 0x9E3779B9u;
    keys.second[round] = static_cast<uint32_t>(seed >> 32) + round * 0xBB67AE85u;
  }
  keys.multipliers[0] = 0xD2511F53u;
  keys.multipliers[1] = 0xCD9E8D57u;
  return keys;
}

// The words of 64 elements (random_word of array.h): word w of block `first / 64 * 16 + lane` is that of element
// first + 16 w + lane. Lanes of even and of odd numbers are apart, each number in the lower half of 64 bits, where
// the products fall; what stands above it does not count.
template <int N>
__attribute__((noinline)) static void random_words(const RandomKeys& keys, uint64_t first, uint32_t* words) {
  using W = typename Vectors<N>::W;
  constexpr uint64_t kLow = 0xFFFFFFFFu;
  for (int part = 0; part < 16; part += N) {
    const uint64_t block = first / 64 * 16 + static_cast<uint64_t>(part);
    W c0[2], c1[2], c2[2], c3[2];
#pragma GCC unroll 2
    for (uint32_t odd = 0; odd < 2; ++odd) {
      W lane = {};
      for (uint32_t i = 0; i < N / 2; ++i) lane[i] = 2 * i + odd;
      // Blocks of one call share the upper half of the counter: 16 divides 2^32.
      c0[odd] = lane + (block & kLow);
      c1[odd] = W{} + (block >> 32);
      c2[odd] = c3[odd] = W{};
    }
#pragma GCC unroll 7
    for (uint32_t round = 0; round < kRandomRounds; ++round) {
#pragma GCC unroll 2
      for (int odd = 0; odd < 2; ++odd) {
        const W a = (c0[odd] & kLow) * uint64_t{keys.multipliers[0]};
        const W b = (c2[odd] & kLow) * uint64_t{keys.multipliers[1]};
        c0[odd] = (b >> 32) ^ c1[odd] ^ (W{} + keys.first[round]);
        c1[odd] = b;
        c2[odd] = (a >> 32) ^ c3[odd] ^ (W{} + keys.second[round]);
        c3[odd] = a;
      }
    }
    const auto store = [&](int word, const W(&c)[2]) {
      store_vector(words + 16 * word + part, (c[0] & kLow) | (c[1] << 32));
    };
    store(0, c0);
    store(1, c1);
    store(2, c2);
    store(3, c3);
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

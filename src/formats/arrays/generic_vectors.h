// Vectors of numbers and loops over arrays. Everything is a template (or static): see simd/README.md.
#pragma once

#include "formats/arrays/args.h"

namespace lowbit::formats {

template <int N>
struct Vectors {
  typedef uint32_t U __attribute__((vector_size(4 * N)));
  typedef int32_t I __attribute__((vector_size(4 * N)));
  typedef float F __attribute__((vector_size(4 * N)));
  typedef uint64_t W __attribute__((vector_size(4 * N)));
  typedef uint8_t U8 __attribute__((vector_size(N)));
  typedef uint16_t U16 __attribute__((vector_size(2 * N)));
};

template <class V, class T>
static inline V load_vector(const T* p) {
  V v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

template <class T, class V>
static inline void store_vector(T* p, V v) {
  __builtin_memcpy(p, &v, sizeof v);
}

// A float as what is added to zero bits: as a sum of floats -0 would be lost.
static inline uint32_t bits_of(float x) { return __builtin_bit_cast(uint32_t, x); }

template <int N>
static inline typename Vectors<N>::F broadcast(float x) {
  return (typename Vectors<N>::F)(typename Vectors<N>::U{} + bits_of(x));
}

// What each output takes: codes of 8 or 16 bits, or values.
template <int N>
static inline void store_result(uint8_t* p, typename Vectors<N>::U v) {
  store_vector(p, __builtin_convertvector(v, typename Vectors<N>::U8));
}
template <int N>
static inline void store_result(uint16_t* p, typename Vectors<N>::U v) {
  store_vector(p, __builtin_convertvector(v, typename Vectors<N>::U16));
}
template <int N>
static inline void store_result(float* p, typename Vectors<N>::U v) {
  store_vector(p, v);
}

// Asks for memory that is read later: the processor's own prefetching ends at every page, and what stands between two
// reads leaves little room to wait for them.
template <class T>
static inline void ask_ahead(const T* p) {
  __builtin_prefetch(reinterpret_cast<const uint8_t*>(p) + 4096, 0, 3);
}

// Runs body(in, out, lane offset) over vectors of N numbers; the last ones through a copy.
template <int N, class In, class Out, class Body>
static inline void for_vectors(const In* in, Out* out, int64_t count, Body body) {
  int64_t i = 0;
  for (; i + N <= count; i += N) {
    ask_ahead(in + i);
    body(in + i, out + i, i);
  }
  if (i == count) return;
  In some_in[N] = {};
  Out some_out[N];
  for (int64_t k = 0; i + k < count; ++k) some_in[k] = in[i + k];
  body(some_in, some_out, i);
  for (int64_t k = 0; i + k < count; ++k) out[i + k] = some_out[k];
}

// Copies bytes, store(from, to) those of whole and aligned blocks of kBlock.
template <int64_t kBlock, class Store>
static inline void stream_blocks(const void* source, void* target, int64_t bytes, Store store) {
  const auto* from = static_cast<const uint8_t*>(source);
  auto* to = static_cast<uint8_t*>(target);
  const auto off = static_cast<int64_t>(reinterpret_cast<uintptr_t>(to) % kBlock);
  int64_t i = off == 0 ? 0 : kBlock - off;
  if (i > bytes) i = bytes;
  __builtin_memcpy(to, from, static_cast<uint64_t>(i));
  for (; i + kBlock <= bytes; i += kBlock) store(from + i, to + i);
  __builtin_memcpy(to + i, from + i, static_cast<uint64_t>(bytes - i));
}

// The greatest lane of each of 16 vectors, where an instruction set has nothing better.
template <int N>
static inline void greatest_lanes(const typename Vectors<N>::U (&v)[16], uint32_t* out) {
  for (int b = 0; b < 16; ++b) {
    uint32_t best = v[b][0];
    for (int k = 1; k < N; ++k) best = v[b][k] > best ? v[b][k] : best;
    out[b] = best;
  }
}

}  // namespace lowbit::formats

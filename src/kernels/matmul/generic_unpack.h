// From packed codes to bytes, over a vector ISA. Formats differ here alone; a new element of at most 8 bits
// needs nothing.
#pragma once

#include "kernels/matmul/args.h"

namespace lowbit::kernels {

// Planes of 4, 2 and 1 bits, high bits first (8 bits: one plane of whole bytes) ----

// The part of unit J's code that lies in the plane of Width bits at `plane`, moved to bit Up; bits of Flip are the
// other way round.
template <class S, int Width, int Up, int J, int Flip>
static inline typename S::Bytes plane_part(const uint8_t* plane) {
  constexpr int kPerVector = 8 / Width, kShift = (J % kPerVector) * Width;
  const typename S::Bytes vector = S::bytes_load(plane + 64 * (J / kPerVector));
  if constexpr (Flip != 0) {
    return S::template field<kShift, Width, Up, Flip>(vector);
  } else {
    return S::template field<kShift, Width, Up>(vector);
  }
}

// Flipped: the upper bit of codes.
template <class S, int Bits, int J, bool Flipped = false>
static inline typename S::Bytes unit_codes(const uint8_t* step) {
  constexpr int kFlip = Flipped ? 1 << (Bits - 1) : 0;
  if constexpr (Bits == kTrits) {  // J of 40
    typename S::Trits trits = S::trits_of(S::bytes_load(step + 64 * (J / 5)));
    if constexpr (J % 5 == 4) (void)S::template digit<3>(trits);
    return S::template digit<J % 5>(trits);
  } else if constexpr (Bits == 8) {
    const typename S::Bytes code = S::bytes_load(step + 64 * J);
    return Flipped ? S::bytes_xor(code, kFlip) : code;
  } else {
    constexpr int kHas4 = Bits & 4, kHas2 = Bits & 2, kHas1 = Bits & 1;
    // The upper bit lies in the first plane that is there.
    constexpr int kFlip2 = kHas4 == 0 ? kFlip : 0, kFlip1 = Bits == 1 ? kFlip : 0;
    typename S::Bytes code;
    bool first = true;
    const auto take = [&](typename S::Bytes part) {
      code = first ? part : S::bytes_or(code, part);
      first = false;
    };
    if constexpr (kHas4 != 0) take(plane_part<S, 4, kHas2 + kHas1, J, kFlip>(step));
    if constexpr (kHas2 != 0) take(plane_part<S, 2, kHas1, J, kFlip2>(step + 64 * kHas4));
    if constexpr (kHas1 != 0) take(plane_part<S, 1, 0, J, kFlip1>(step + 64 * (kHas4 + kHas2)));
    return code;
  }
}

// Packed weights are asked for ahead (AskedAhead; asked_ahead.h has the distances): the processor's own prefetching
// ends at every page, and what the first-level cache can wait for at a time is not enough.

// Where what is asked for far ahead of the step (of trits kTritSteps of them) at `step` lies.
// In streams: the steps of the next segment, not as they lie but in turn from 8 places about a page apart. A
// processor that fetches ahead for each page by itself then does so in 8 pages.
template <uint64_t Bytes>
LOWBIT_INLINE static inline const uint8_t* far_of(const FusedArgs& g, const uint8_t* step) {
  if (!g.ahead.in_streams) return step + g.ahead.far;
  constexpr uint64_t kStreams = 8, kPageBytes = 4096;
  constexpr uint64_t kSteps = [] {  // of a stream: a power of two
    uint64_t steps = 1;
    while (steps * Bytes < kPageBytes) steps *= 2;
    return steps;
  }();
  constexpr uint64_t kSegment = kStreams * kSteps;
  const uint64_t at = static_cast<uint64_t>(step - g.codes_begin) / Bytes % kSegment;
  return step + static_cast<int64_t>(Bytes * (kSegment + at % kStreams * kSteps + at / kStreams - at));
}

// With the step at `step`, for the second-level cache.
template <int Bytes>
LOWBIT_INLINE static inline void ask_far(const FusedArgs& g, const uint8_t* step) {
  if (g.ahead.far == 0 && !g.ahead.in_streams) return;
  const uint8_t* at = far_of<Bytes>(g, step);
  for (int i = 0; i < Bytes; i += 64) __builtin_prefetch(at + i, 0, 2);
}

// With unit J of the step, for the first-level cache: a vector, as many as the step has bytes for.
template <int Bits, int J>
LOWBIT_INLINE static inline void ask_near(const FusedArgs& g, const uint8_t* step) {
  if constexpr (Bits == kTrits) {
    if constexpr (J % 5 == 0) __builtin_prefetch(step + g.ahead.near + 64 * (J / 5));
  } else if constexpr (J < Bits) {
    __builtin_prefetch(step + g.ahead.near + 64 * J);
  }
}

// By a map of at most 64 entries.
template <class S, int Bits, CodeMap Map, class Args>
static inline typename S::Bytes mapped(const Args& g, typename S::Bytes code) {
  if constexpr (Map == CodeMap::lookup16) {
    return S::lookup16(g.table, code);
  } else if constexpr (Map == CodeMap::lookup64 && Bits <= 5) {
    return S::lookup32(g.table, code);
  } else if constexpr (Map == CodeMap::lookup64) {
    return S::lookup64(g.table, code);
  } else {
    return S::bytes_xor(code, g.flip);
  }
}

// What dot products take of unit J. The digits of trits are that.
template <class S, int Bits, CodeMap Map, int J, class Args>
LOWBIT_INLINE static inline typename S::Bytes unit_weights(const Args& g, const uint8_t* step) {
  if constexpr (Bits == kTrits || Map == CodeMap::as_it_is || Map == CodeMap::upper_flipped) {
    return unit_codes < S, Bits, J, Map == CodeMap::upper_flipped > (step);
  } else {
    return mapped<S, Bits, Map>(g, unit_codes<S, Bits, J>(step));
  }
}

template <class S, int Bits, CodeMap Map>
static inline void store_unit(const UnpackArgs& g, typename S::Bytes code, uint8_t* out) {
  if constexpr (Map == CodeMap::lookup256) {
    S::bytes_store(out, code);
    for (int i = 0; i < 64; ++i) out[i] = g.table[out[i]];
  } else {
    S::bytes_store(out, mapped<S, Bits, Map>(g, code));
  }
}

// Units First to First + 7 of those at `in`.
template <class S, int Bits, CodeMap Map, int First>
static inline void unpack_step(const UnpackArgs& g, const uint8_t* in, uint8_t* out) {
  store_unit<S, Bits, Map>(g, unit_codes<S, Bits, First>(in), out);
  store_unit<S, Bits, Map>(g, unit_codes<S, Bits, First + 1>(in), out + 64);
  store_unit<S, Bits, Map>(g, unit_codes<S, Bits, First + 2>(in), out + 128);
  store_unit<S, Bits, Map>(g, unit_codes<S, Bits, First + 3>(in), out + 192);
  store_unit<S, Bits, Map>(g, unit_codes<S, Bits, First + 4>(in), out + 256);
  store_unit<S, Bits, Map>(g, unit_codes<S, Bits, First + 5>(in), out + 320);
  store_unit<S, Bits, Map>(g, unit_codes<S, Bits, First + 6>(in), out + 384);
  store_unit<S, Bits, Map>(g, unit_codes<S, Bits, First + 7>(in), out + 448);
}

template <class S, int Bits, CodeMap Map>
static inline void unpack_panel(const UnpackArgs& g) {
  if constexpr (Bits == kTrits) {
    using Fn = void (*)(const UnpackArgs&, const uint8_t*, uint8_t*);
    static constexpr Fn kSteps[kTritSteps] = {unpack_step<S, Bits, Map, 0>, unpack_step<S, Bits, Map, 8>,
                                              unpack_step<S, Bits, Map, 16>, unpack_step<S, Bits, Map, 24>,
                                              unpack_step<S, Bits, Map, 32>};
    for (int64_t step = g.first; step < g.first + g.steps; ++step) {
      kSteps[step % kTritSteps](g, g.packed + step / kTritSteps * kTritBytes, g.panel + (step - g.first) * 512);
    }
  } else {
    const uint8_t* in = g.packed + g.first * 64 * Bits;
    for (int64_t step = 0; step < g.steps; ++step) {
      unpack_step<S, Bits, Map, 0>(g, in + step * 64 * Bits, g.panel + step * 512);
    }
  }
}

template <class S, int Bits>
static inline void unpack_bits(const UnpackArgs& g) {
  using Fn = void (*)(const UnpackArgs&);
  static constexpr Fn kMaps[] = {unpack_panel<S, Bits, CodeMap::exclusive_or>,
                                 unpack_panel<S, Bits, CodeMap::lookup16>, unpack_panel<S, Bits, CodeMap::lookup64>,
                                 unpack_panel<S, Bits, CodeMap::lookup256>};
  kMaps[static_cast<int>(g.map)](g);
}

template <class S>
static inline void unpack(const UnpackArgs& g) {
  using Fn = void (*)(const UnpackArgs&);
  static constexpr Fn kBits[] = {unpack_bits<S, 1>, unpack_bits<S, 2>, unpack_bits<S, 3>,
                                 unpack_bits<S, 4>, unpack_bits<S, 5>, unpack_bits<S, 6>,
                                 unpack_bits<S, 7>, unpack_bits<S, 8>, unpack_bits<S, kTrits>};
  kBits[g.bits - 1](g);
}

}  // namespace lowbit::kernels

// The limits of a machine over the vectors of simd/. The number of chains is the ISA's: enough to hide the latency
// of an operation, few enough that every chain has its register.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/limits/args.h"

namespace lowbit::kernels {

template <class S, int Streams>
static void read_streams(const ReadArgs& args) {
  constexpr int kChains = Streams < 4 ? 4 : Streams;
  constexpr int kVectors = kChains / Streams;  // of a stream in one turn
  constexpr int64_t kTurn = int64_t{64} * kVectors;
  typename S::Int chain[kChains];
  for (int c = 0; c < kChains; ++c) chain[c] = S::int_zero();
  const int64_t part = args.bytes / Streams;
  for (int64_t at = 0; at < part; at += kTurn) {
    for (int s = 0; s < Streams; ++s) {
      const uint8_t* p = args.data + s * part + at;
      for (int v = 0; v < kVectors; ++v) {
        if (args.prefetch > 0) __builtin_prefetch(p + args.prefetch + 64 * v);
        typename S::Int& sum = chain[s * kVectors + v];
        sum = S::int_add(sum, S::int_load(reinterpret_cast<const int32_t*>(p + 64 * v)));
      }
    }
  }
  for (int c = 1; c < kChains; ++c) chain[0] = S::int_add(chain[0], chain[c]);
  int32_t lanes[16];
  __builtin_memcpy(lanes, &chain[0], sizeof lanes);
  *args.sum = 0;
  for (const int32_t lane : lanes) *args.sum += static_cast<uint32_t>(lane);
}

template <class S>
static void read_sum(const ReadArgs& args) {
  switch (args.streams) {
    case 1:
      return read_streams<S, 1>(args);
    case 2:
      return read_streams<S, 2>(args);
    case 4:
      return read_streams<S, 4>(args);
    default:
      return read_streams<S, 8>(args);
  }
}

template <class S, int Chains>
static void peak_int8(const PeakArgs& args) {
  const auto* w = static_cast<const uint8_t*>(args.w);
  const auto* x = static_cast<const uint8_t*>(args.x);
  typename S::Int chain[Chains];
  for (int c = 0; c < Chains; ++c) chain[c] = S::int_zero();
  for (int64_t r = 0; r < args.rounds; ++r) {
    for (int step = 0; step < kPeakSteps; ++step) {
      const typename S::Bytes weight = S::bytes_load(w + 64 * step);
      for (int c = 0; c < Chains; ++c) chain[c] = S::dot(chain[c], weight, S::bytes_load(x + 64 * c));
    }
  }
  __builtin_memcpy(args.out, &chain[0], 64);
  // What nobody reads is not computed.
  typename S::Int rest = S::int_zero();
  for (int c = 1; c < Chains; ++c) rest = S::int_add(rest, chain[c]);
  asm volatile("" : : "r"(&rest) : "memory");
  *args.products = args.rounds * kPeakSteps * Chains * 64;
}

// Few registers: loads are part of every step, where kept values would go to the stack and back.
template <class S, int Chains, bool Few = false>
static void peak_float(const PeakArgs& args) {
  const auto* w = static_cast<const float*>(args.w);
  const auto* x = static_cast<const float*>(args.x);
  typename S::Float chain[Chains];
  for (int c = 0; c < Chains; ++c) chain[c] = S::zero();
  for (int64_t r = 0; r < args.rounds; ++r) {
    for (int step = 0; step < kPeakSteps; ++step) {
      const typename S::Float weight = S::load(w + 16 * step);
      for (int c = 0; c < Chains; ++c) chain[c] = S::fma(weight, S::broadcast(x[16 * c]), chain[c]);
      if constexpr (Few) asm volatile("" : : : "memory");
    }
  }
  S::store(static_cast<float*>(args.out), chain[0]);
  typename S::Float rest = S::zero();
  for (int c = 1; c < Chains; ++c) rest = S::add(rest, chain[c]);
  float lanes[16];
  S::store(lanes, rest);
  asm volatile("" : : "r"(lanes) : "memory");
  *args.products = args.rounds * kPeakSteps * Chains * 16;
}

}  // namespace lowbit::kernels
